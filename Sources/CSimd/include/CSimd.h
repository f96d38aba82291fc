int CSimd_placeholder(void);
