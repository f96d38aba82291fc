int CDemo_placeholder(void);
