#error "declare what is called of libtiff in tiff_codec.c"
