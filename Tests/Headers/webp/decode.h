#error "declare what is called of libwebp in webp_codec.c"
