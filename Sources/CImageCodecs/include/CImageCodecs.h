int CImageCodecs_placeholder(void);
