#!/usr/bin/env bash
# Packages: libheif1 1.15.1-1+deb12u1 with libde265-0 1.0.11-1+deb12u2 and libdav1d6 1.0.0-2+deb12u1 of Debian 12, gcc 12.
#
# Guess: where the system starts no thread (ulimit -u, a container's limit), libheif decodes in the one that asks, as it is
# told to with heif_context_set_max_decoding_threads(0), or fails.
# What happens: that call is about tiles. For each picture libde265 starts a thread and dav1d one for each processor. Refused
# one, dav1d fails as at a damaged file; libde265 takes no notice, gives its work to nobody and waits for it without end.
# What it means: try to start a thread before a HEIC is decoded, or bound the time. A filter of system calls around a decoder
# must allow clone.
#
# Seen: AVIF, error 7, which is the decoder's; HEIC, ended after 5 s by the time limit.
#
# Needs gcc and libheif1; 6 s. The pictures are Tests/Fixtures/images'.
set -euo pipefail
images=$(realpath "$(dirname "$0")")/../Tests/Fixtures/images
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >refused.c <<'CODE'
#include <errno.h>
int pthread_create(void *thread, void *attributes, void *work, void *argument) { return EAGAIN; }
CODE
cat >decode.c <<'CODE'
#include <stdio.h>
struct heif_error { int code, subcode; const char *message; };
void *heif_context_alloc(void);
void heif_context_set_max_decoding_threads(void *, int);
struct heif_error heif_context_read_from_file(void *, const char *, void *);
struct heif_error heif_context_get_primary_image_handle(void *, void **);
struct heif_error heif_decode_image(void *, void **, int colours, int layout, void *options);

int main(int count, char **arguments) {
  void *handle, *image, *context = heif_context_alloc();
  heif_context_set_max_decoding_threads(context, 0);
  if (heif_context_read_from_file(context, arguments[1], NULL).code) return 1;
  if (heif_context_get_primary_image_handle(context, &handle).code) return 2;
  printf("error %d\n", heif_decode_image(handle, &image, 1, 10, NULL).code);
}
CODE
gcc -shared -fPIC -o refused.so refused.c
gcc -o decode decode.c -l:libheif.so.1
for picture in grey.avif grey.heic; do
  status=0
  LD_PRELOAD=$folder/refused.so timeout 5 ./decode "$images/$picture" >out 2>/dev/null || status=$?
  echo "$picture: $(cat out) status $status"
done | tee log
diff log - <<'SEEN'
grey.avif: error 7 status 0
grey.heic:  status 124
SEEN
