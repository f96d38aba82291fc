/* Where in a picture a model finds what prompts say, from C:
 *
 *   swift build -c release --product CLeGrad
 *   lib=$(swift build -c release --product CLeGrad --show-bin-path)
 *   cc -I Sources/CLeGradHeader/include Examples/c/explain.c -L "$lib" -lCLeGrad -Wl,-rpath,"$lib" -o explain
 *   ./explain demo picture.png "a green cross" "a red disc"
 *
 * writes picture.png.0.png and so on, and prints how similar the whole picture is to each prompt. */
#include <legrad.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static legrad_text text(const char *string) {
  legrad_text result;
  result.bytes = string;
  result.length = strlen(string);
  return result;
}

/* Ends the program where a call failed, with what the library says of it. */
static void check(legrad_status status, legrad_error **error) {
  legrad_text message;
  if (status == LEGRAD_OK) return;
  message = legrad_error_message(*error);
  fprintf(stderr, "%.*s\n", (int)message.length, message.bytes);
  legrad_error_free(*error);
  exit(status);
}

int main(int argc, char **argv) {
  legrad_error *error = NULL;
  legrad_model *model = NULL;
  legrad_explainer *explainer = NULL;
  legrad_queries *queries = NULL;
  legrad_image *image = NULL;
  legrad_result *result = NULL;
  legrad_options options = LEGRAD_OPTIONS_INIT;
  legrad_request request = LEGRAD_REQUEST_INIT;
  legrad_picture picture;
  legrad_text *prompts;
  float *similarities;
  size_t count, k;

  if (argc < 4) {
    fprintf(stderr, "usage: %s MODEL PICTURE PROMPT...\n", argv[0]);
    return LEGRAD_USAGE;
  }
  count = (size_t)argc - 3;
  prompts = (legrad_text *)calloc(count, sizeof *prompts);
  similarities = (float *)calloc(count, sizeof *similarities);
  if (!prompts || !similarities) return LEGRAD_MEMORY;
  for (k = 0; k < count; k++) prompts[k] = text(argv[k + 3]);

  options.device = text("cpu");
  check(legrad_model_open(text(argv[1]), text(""), &model, &error), &error);
  check(legrad_explainer_new(model, &options, &explainer, &error), &error);
  check(legrad_encode_prompts(explainer, prompts, count, &queries, &error), &error);
  check(legrad_image_read(text(argv[2]), &image, &error), &error);

  memset(&picture, 0, sizeof picture);
  picture.pixels = legrad_image_pixels(image);
  picture.type = LEGRAD_RGB8;
  picture.height = legrad_image_height(image);
  picture.width = legrad_image_width(image);
  request.pictures = &picture;
  request.picture_count = 1;
  request.queries = queries;
  check(legrad_explain(explainer, &request, &result, &error), &error);
  check(legrad_result_similarities(result, 0, similarities, count, &error), &error);

  for (k = 0; k < count; k++) {
    char path[4096];
    legrad_image *overlay = NULL;
    check(legrad_result_overlay(result, 0, 0, k, image, NULL, &overlay, &error), &error);
    snprintf(path, sizeof path, "%s.%lu.png", argv[2], (unsigned long)k);
    check(legrad_image_write_png(overlay, text(path), &error), &error);
    printf("%+.4f  %s  %s\n", similarities[k], path, argv[k + 3]);
    legrad_image_free(overlay);
  }

  legrad_result_free(result);
  legrad_image_free(image);
  legrad_queries_free(queries);
  legrad_explainer_free(explainer);
  legrad_model_free(model);
  free(similarities);
  free(prompts);
  return 0;
}
