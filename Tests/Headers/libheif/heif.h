#error "declare what is called of libheif in heif_codec.cpp"
