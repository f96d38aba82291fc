/* What the tests of the C interface run as C11 and as C++17, under sanitizers: every object made and freed, bad
 * requests refused, several threads on one explainer, and a child of a fork. */
#include <legrad.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(condition)                                           \
  do {                                                              \
    if (!(condition)) {                                             \
      fprintf(stderr, "line %d: %s\n", __LINE__, #condition);       \
      exit(1);                                                      \
    }                                                               \
  } while (0)

#define SIDE 96
static unsigned char pixels[3][SIDE * SIDE * 3];
static legrad_explainer *explainer;
static legrad_queries *queries;

static legrad_text text(const char *string) {
  legrad_text result;
  result.bytes = string;
  result.length = strlen(string);
  return result;
}

static legrad_picture picture(int number) {
  legrad_picture result;
  memset(&result, 0, sizeof result);
  result.pixels = pixels[number];
  result.height = SIDE;
  result.width = SIDE;
  return result;
}

static float first_relevance(int number) {
  legrad_request request = LEGRAD_REQUEST_INIT;
  legrad_map_info info = LEGRAD_MAP_INFO_INIT;
  legrad_picture one = picture(number);
  legrad_result *result = NULL;
  float *map, first;
  size_t count;
  request.pictures = &one;
  request.picture_count = 1;
  request.queries = queries;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_OK);
  EXPECT(legrad_result_describe(result, 0, 0, &info, NULL) == LEGRAD_OK);
  count = (size_t)(info.prompts * info.map_height * info.map_width);
  map = (float *)malloc(count * sizeof *map);
  EXPECT(map != NULL);
  EXPECT(legrad_result_relevance(result, 0, 0, map, count, NULL) == LEGRAD_OK);
  first = map[count / 2];
  free(map);
  legrad_result_free(result);
  return first;
}

static float alone[3];
static void *work(void *argument) {
  int number = *(int *)argument;
  EXPECT(first_relevance(number) == alone[number]);
  return NULL;
}

static void count_up(void *context, uint64_t done, uint64_t total) {
  EXPECT(done <= total);
  *(uint64_t *)context = done;
}

int main(void) {
  legrad_error *error = NULL;
  legrad_model *model = NULL;
  legrad_options options = LEGRAD_OPTIONS_INIT;
  legrad_model_info info = LEGRAD_MODEL_INFO_INIT;
  legrad_text prompts[2];
  legrad_text methods[2];
  legrad_picture batch[3];
  legrad_request request = LEGRAD_REQUEST_INIT;
  legrad_result *result = NULL;
  legrad_cancellation *cancellation;
  legrad_queries *result_queries = NULL;
  legrad_memory_model memory = LEGRAD_MEMORY_MODEL_INIT;
  legrad_tensor tensors[1];
  pthread_t threads[3];
  int numbers[3] = {0, 1, 2};
  uint64_t done = 0;
  char device[8];
  int k, status;
  pid_t child;

  EXPECT(legrad_abi_version() == LEGRAD_ABI_VERSION);
  EXPECT(legrad_version().length == strlen(LEGRAD_VERSION));
  for (k = 0; k < SIDE * SIDE * 3; k++) {
    pixels[0][k] = (unsigned char)(k * 7);
    pixels[1][k] = (unsigned char)(k * k);
    pixels[2][k] = (unsigned char)(k / 3);
  }

  /* Nothing is there, and nothing is asked for. */
  EXPECT(legrad_model_open(text("/nowhere"), text(""), &model, &error) == LEGRAD_INPUT);
  EXPECT(model == NULL && error != NULL && legrad_error_kind(error) == LEGRAD_INPUT);
  EXPECT(legrad_error_message(error).length > 0);
  legrad_error_free(error);
  EXPECT(legrad_model_open(text(""), text(""), &model, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_model_open(text("demo"), text(""), NULL, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_explainer_new(NULL, NULL, &explainer, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_explain(NULL, &request, &result, NULL) == LEGRAD_USAGE);
  legrad_model_free(NULL);
  legrad_error_free(NULL);

  EXPECT(legrad_model_open(text("demo"), text(""), &model, &error) == LEGRAD_OK && error == NULL);
  EXPECT(legrad_model_describe(model, &info, NULL) == LEGRAD_OK);
  EXPECT(info.input_height == SIDE && info.class_count == 0 && info.has_text && info.has_statistics);
  options.device = text("cpu");
  options.threads = 2;
  EXPECT(legrad_explainer_new(model, &options, &explainer, NULL) == LEGRAD_OK);
  /* What it was made of may go first. */
  legrad_model_free(model);
  EXPECT(legrad_explainer_device(explainer, device, sizeof device) > sizeof device);
  EXPECT(legrad_explainer_device(explainer, NULL, 0) > 0);

  prompts[0] = text("a green cross");
  prompts[1] = text("a red disc");
  EXPECT(legrad_encode_prompts(explainer, prompts, 2, &queries, NULL) == LEGRAD_OK);
  EXPECT(legrad_queries_count(queries) == 2 && legrad_queries_width(queries) == info.embedding_width);

  for (k = 0; k < 3; k++) {
    alone[k] = first_relevance(k);
    batch[k] = picture(k);
  }
  for (k = 0; k < 3; k++) EXPECT(pthread_create(&threads[k], NULL, work, &numbers[k]) == 0);
  for (k = 0; k < 3; k++) EXPECT(pthread_join(threads[k], NULL) == 0);

  methods[0] = text("legrad all mean");
  methods[1] = text("raw-attention");
  request.pictures = batch;
  request.picture_count = 3;
  request.queries = queries;
  request.methods = methods;
  request.method_count = 2;
  request.batch = 2;
  request.progress = count_up;
  request.context = &done;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_OK && done == 3);
  EXPECT(legrad_result_relevance(result, 3, 0, NULL, 0, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_result_relevance(result, 0, 2, NULL, 0, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_result_relevance(result, 0, 0, NULL, 1, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_result_logits(result, 0, NULL, 0, &error) == LEGRAD_USAGE);
  legrad_error_free(error);
  legrad_result_free(result);

  cancellation = legrad_cancellation_new();
  legrad_cancellation_cancel(cancellation);
  request.cancellation = cancellation;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_CANCELLED && result == NULL);
  legrad_cancellation_free(cancellation);
  request.cancellation = NULL;

  /* Numbers below zero, as C hands them on. */
  request.method_count = (size_t)-1;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_USAGE);
  request.method_count = 2;
  request.picture_count = (size_t)-1;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_USAGE);
  request.picture_count = 3;
  request.resize.bytes = "crop";
  request.resize.length = (size_t)-1;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_USAGE);
  request.resize.length = 0;
  /* What is quoted stays in its line. */
  request.resize.bytes = "crop\n\033[2J";
  request.resize.length = 9;
  EXPECT(legrad_explain(explainer, &request, &result, &error) == LEGRAD_USAGE);
  for (k = 0; k < (int)legrad_error_message(error).length; k++) EXPECT((unsigned char)legrad_error_message(error).bytes[k] >= 32);
  legrad_error_free(error);
  request.resize.length = 0;
  /* A struct that ends inside of a pointer. */
  request.size = offsetof(legrad_request, pictures) + 4;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_USAGE);
  request.size = sizeof request;
  EXPECT(legrad_encode_prompts(explainer, prompts, (size_t)-1, &result_queries, NULL) == LEGRAD_USAGE);
  EXPECT(legrad_queries_from_rows(alone, 1, 3, prompts, &result_queries, NULL) == LEGRAD_OK);
  legrad_queries_free(result_queries);
  EXPECT(legrad_queries_from_rows(alone, (size_t)-1, 3, NULL, &result_queries, NULL) == LEGRAD_USAGE);
  memset(tensors, 0, sizeof tensors);
  memory.tensors = tensors;
  memory.tensor_count = (size_t)-1;
  EXPECT(legrad_model_from_memory(&memory, &model, NULL) == LEGRAD_USAGE);

  request.picture_size = 8;
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_USAGE);
  request.picture_size = sizeof(legrad_picture);
  methods[1] = text("no-such-method");
  EXPECT(legrad_explain(explainer, &request, &result, NULL) == LEGRAD_USAGE);
  prompts[0].bytes = "\xff\xfe";
  prompts[0].length = 2;
  legrad_queries_free(queries);
  EXPECT(legrad_encode_prompts(explainer, prompts, 2, &queries, NULL) == LEGRAD_USAGE && queries == NULL);

  child = fork();
  if (child == 0) {
    methods[1] = text("raw-attention");
    if (legrad_explain(explainer, &request, &result, NULL) != LEGRAD_USAGE) _exit(1);
    legrad_explainer_free(explainer);
    _exit(0);
  }
  EXPECT(child > 0 && waitpid(child, &status, 0) == child);
  EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);

  legrad_explainer_free(explainer);
  puts("done");
  return 0;
}
