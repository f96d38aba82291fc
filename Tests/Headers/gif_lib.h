#error "declare what is called of giflib in gif_codec.c"
