/* legrad.h: where in an image a vision transformer finds a text prompt, from C and from whatever calls C.
 *
 * Rules that hold for all functions:
 *
 * - Text is UTF-8 of a stated length, without a terminating zero. A text of length 0 is an absent one; its bytes may be NULL.
 * - A function that can fail returns a legrad_status, LEGRAD_OK or what kind of failure it is. With an `error` that is not
 *   NULL, a failure leaves an object there that the caller frees; success leaves NULL. Results are written on success alone,
 *   and are NULL after a failure.
 * - What a function makes (a parameter `legrad_… **`) is the caller's to free, once, by the function of its type. Freeing
 *   NULL does nothing. What something was made of may be freed first: it lives on for as long as it is needed.
 * - Pointers to what is read are read during the call alone, other than the tensors of legrad_model_from_memory.
 * - Buffers are the caller's; `count` is how many elements they hold. Functions that fill one of numbers refuse any other
 *   count than the one that they document. Functions that fill one of text write as much as has room, and return the whole
 *   length in bytes; with a capacity of 0 the buffer may be NULL.
 * - Structs begin with `size`, the caller's sizeof, and `version`, LEGRAD_ABI_VERSION: fill both by LEGRAD_…_INIT, which makes
 *   everything else zero, the default. Later versions append fields alone. A library that does not know what a struct holds
 *   beyond its own refuses it, unless that is zero.
 * - Threads: every function may be called from any thread. Objects never change once they are made, but that
 *   legrad_cancellation_cancel sets a flag: several threads may use one object at the same time, while none frees it. An
 *   explanation uses all threads of its explainer. There is no state outside the objects.
 * - fork: the child of a process that has explainers may not use them, as their threads are not there: such calls fail with
 *   LEGRAD_USAGE, freeing does nothing, and new explainers can be made.
 * - Nothing is read from the environment, written to a terminal, or fetched from a network.
 */
#ifndef LEGRAD_H
#define LEGRAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the library that this header came with, and of its functions and structs. */
#define LEGRAD_VERSION "0.1.0"
#define LEGRAD_ABI_VERSION 1

/* What a call came to. */
typedef int32_t legrad_status;
enum {
  LEGRAD_OK = 0,
  LEGRAD_USAGE = 2,        /* the request makes no sense, or none for this model */
  LEGRAD_INPUT = 3,        /* a model, a picture or another file is missing or bad */
  LEGRAD_DEVICE = 4,       /* the device asked for cannot be used */
  LEGRAD_MEMORY = 5,       /* memory could not be had */
  LEGRAD_NUMERICAL = 6,    /* numbers that are not finite came out */
  LEGRAD_INCONSISTENT = 7, /* parts that do not belong together */
  LEGRAD_CANCELLED = 8     /* as legrad_cancellation_cancel asked */
};

typedef struct legrad_error legrad_error;
typedef struct legrad_cancellation legrad_cancellation;
typedef struct legrad_model legrad_model;
typedef struct legrad_devices legrad_devices;
typedef struct legrad_explainer legrad_explainer;
typedef struct legrad_queries legrad_queries;
typedef struct legrad_image legrad_image;
typedef struct legrad_result legrad_result;

typedef struct legrad_text {
  const char *bytes;
  size_t length;
} legrad_text;

/* LEGRAD_VERSION and LEGRAD_ABI_VERSION of the library that is called. */
legrad_text legrad_version(void);
uint32_t legrad_abi_version(void);

/* ---- Errors ---- */

legrad_status legrad_error_kind(const legrad_error *error);
/* One line: what is wrong, and what to do about it. Options are named as the fields here. Lives as long as the error. */
legrad_text legrad_error_message(const legrad_error *error);
void legrad_error_free(legrad_error *error);

/* ---- Stopping ---- */

legrad_cancellation *legrad_cancellation_new(void);
/* Makes calls that were given `cancellation` end with LEGRAD_CANCELLED before the next block of the model; for good. May be
 * called from a signal handler. */
void legrad_cancellation_cancel(legrad_cancellation *cancellation);
void legrad_cancellation_free(legrad_cancellation *cancellation);

/* ---- Models ---- */

/* Opens and checks a model; weights are read by legrad_explainer_new and when prompts are encoded.
 * place: a model's folder, a weight file in it, "demo" for the bundled model, or a name on Hugging Face's hub that
 *   `hub_cache`, the folder of the hub's cache, has. */
legrad_status legrad_model_open(legrad_text place, legrad_text hub_cache, legrad_model **model, legrad_error **error);

/* Types of tensors. */
enum { LEGRAD_F64 = 1, LEGRAD_F32 = 2, LEGRAD_F16 = 3, LEGRAD_BF16 = 4, LEGRAD_OTHER = 5 };

typedef struct legrad_tensor {
  legrad_text name;       /* as the files of the model's library name it */
  const void *data;       /* aligned to its elements, little-endian */
  size_t byte_count;      /* that may be read from `data` on */
  const uint64_t *shape;  /* `rank` lengths */
  const uint64_t *strides; /* `rank` steps in elements; NULL for row-major without gaps */
  uint32_t rank;
  uint32_t type;          /* LEGRAD_F64 …; LEGRAD_OTHER for one that is no floating point, of which no data are read */
} legrad_tensor;

typedef struct legrad_memory_model {
  size_t size;
  uint32_t version;
  uint32_t tensor_size;    /* sizeof(legrad_tensor) */
  const legrad_tensor *tensors;
  size_t tensor_count;
  legrad_text configuration; /* what config.json or open_clip_config.json of such a model says */
  legrad_text preprocessor;  /* what preprocessor_config.json of transformers says; may be absent */
  legrad_text tokenizer_folder; /* a folder with the tokenizer's files, read during the call; absent: OpenAI's CLIP
                                   vocabulary for models of OpenCLIP, none for others */
  legrad_text name;          /* what errors call it; "memory" if absent */
  void (*release)(void *context); /* called once, from any thread, when nothing will read the tensors any more, also if the
                                     call fails; may be NULL */
  void *context;
} legrad_memory_model;
#define LEGRAD_MEMORY_MODEL_INIT {sizeof(legrad_memory_model), LEGRAD_ABI_VERSION, sizeof(legrad_tensor), NULL, 0, {NULL, 0}, \
  {NULL, 0}, {NULL, 0}, {NULL, 0}, NULL, NULL}

/* A model whose tensors lie in the caller's memory, where they are read when they are packed for a device, without a copy
 * before that. They stay there unchanged until `release` is called. */
legrad_status legrad_model_from_memory(const legrad_memory_model *memory, legrad_model **model, legrad_error **error);

typedef struct legrad_model_info {
  size_t size;
  uint32_t version;
  uint32_t has_text;        /* whether prompts can be encoded, as far as the configuration says */
  uint64_t class_count;     /* of a classifier; 0 for a model that compares */
  uint64_t embedding_width;
  uint64_t layers;
  uint64_t patch_size;
  uint64_t input_height, input_width; /* the model's own, in pixels */
  uint64_t parameter_count;
  uint32_t has_statistics;  /* whether the model says mean and standard deviation of its pixels */
  uint32_t takes_correction; /* whether its maps are corrected by a text without content (SigLIP) */
  double mean[3], std[3];   /* zero without statistics */
} legrad_model_info;
#define LEGRAD_MODEL_INFO_INIT {sizeof(legrad_model_info), LEGRAD_ABI_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {0, 0, 0}, {0, 0, 0}}

legrad_status legrad_model_describe(const legrad_model *model, legrad_model_info *info, legrad_error **error);
/* Lives as long as the model. */
legrad_text legrad_model_name(const legrad_model *model);
/* The name of class `number`, which lives as long as the model; an absent text for a number that no class has. */
legrad_text legrad_model_class_name(const legrad_model *model, uint64_t number);
/* The number of the class of that number, name, or one of the names that commas separate, in any case of letters. */
legrad_status legrad_model_class_number(const legrad_model *model, legrad_text name, uint64_t *number, legrad_error **error);
/* Whether `method` (see legrad_request) is defined for the model's tower. */
legrad_status legrad_model_check_method(const legrad_model *model, legrad_text method, legrad_error **error);
void legrad_model_free(legrad_model *model);

/* ---- Devices and explainers ---- */

typedef struct legrad_options {
  size_t size;
  uint32_t version;
  uint32_t threads;         /* 0: one for each processor that the process may use */
  legrad_text device;       /* "auto" (if absent), "cpu", "gpu", "opencl", or a device's index or name */
  legrad_text precision;    /* "f32" (if absent), "f16", "bf16", "bf16-split", or "auto" for the device's fastest */
  legrad_text cache_folder; /* where built kernels are kept for the next process; absent: nowhere */
  legrad_text instruction_set; /* of the CPU; absent: the best */
  legrad_text kernel_variant;  /* of an OpenCL device; absent: the faster one */
  legrad_text command;      /* the path of the command legrad, by which kernels are tried in a process of their own;
                               absent: they are tried in this one, which a bad driver may end */
  uint64_t memory_limit;    /* bytes of an OpenCL device to use at most; 0: all */
  const double *mean, *std; /* three numbers each, in place of the model's own; both or neither may be NULL */
  uint32_t fold;            /* not 0: one product in place of two on LeGrad's way back, for a third more weight memory */
  uint32_t reserved;
  void (*notify)(void *context, legrad_text message); /* told, on any thread, when another device takes over; may be NULL */
  void *context;
} legrad_options;
#define LEGRAD_OPTIONS_INIT {sizeof(legrad_options), LEGRAD_ABI_VERSION, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, \
  {NULL, 0}, {NULL, 0}, 0, NULL, NULL, 0, 0, NULL, NULL}

/* The devices of this machine; `options` may be NULL. */
legrad_status legrad_devices_list(const legrad_options *options, legrad_devices **devices, legrad_error **error);
size_t legrad_devices_count(const legrad_devices *devices);

typedef struct legrad_device_info {
  size_t size;
  uint32_t version;
  uint32_t index;           /* what legrad_options.device takes: 0 is the CPU without OpenCL */
  legrad_text kind;         /* "cpu", "gpu", "accelerator" or "unknown". Texts live as long as the list. */
  legrad_text name;
  legrad_text platform;     /* "native" for the CPU without OpenCL */
  legrad_text problem;      /* why it cannot be used; absent where nothing is known against it */
  uint64_t compute_units;
} legrad_device_info;
#define LEGRAD_DEVICE_INFO_INIT {sizeof(legrad_device_info), LEGRAD_ABI_VERSION, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, 0}

legrad_status legrad_devices_describe(
  const legrad_devices *devices, size_t number, legrad_device_info *info, legrad_error **error);
void legrad_devices_free(legrad_devices *devices);

/* Loads the model's vision tower onto a device: seconds for a large model. `options` may be NULL. */
legrad_status legrad_explainer_new(
  const legrad_model *model, const legrad_options *options, legrad_explainer **explainer, legrad_error **error);
/* The device in use and why, for people. */
size_t legrad_explainer_device(const legrad_explainer *explainer, char *buffer, size_t capacity);
size_t legrad_explainer_precision(const legrad_explainer *explainer, char *buffer, size_t capacity);
void legrad_explainer_free(legrad_explainer *explainer);

/* ---- What is looked for ---- */

/* Encodes prompts, all by one reading of the text tower: encode them together. */
legrad_status legrad_encode_prompts(
  const legrad_explainer *explainer, const legrad_text *prompts, size_t count, legrad_queries **queries, legrad_error **error);
/* Classes of a classifier by their numbers. */
legrad_status legrad_encode_classes(
  const legrad_explainer *explainer, const uint64_t *numbers, size_t count, legrad_queries **queries, legrad_error **error);
/* Text embeddings that are there already: `count` rows of `width` numbers, of any length but 0. `names` may be NULL. */
legrad_status legrad_queries_from_rows(
  const float *rows, size_t count, size_t width, const legrad_text *names, legrad_queries **queries, legrad_error **error);

typedef struct legrad_picture {
  const void *pixels;
  uint32_t type;     /* LEGRAD_RGB8 or LEGRAD_PREPARED */
  uint32_t reserved;
  uint64_t height, width;
  uint64_t row_bytes; /* from one row to the next; 0: rows without gaps. Of LEGRAD_RGB8 alone. */
} legrad_picture;

enum {
  LEGRAD_RGB8 = 0,    /* [height, width, 3] bytes, red first: resized and normalised as the model needs it */
  LEGRAD_PREPARED = 1 /* [3, height, width] floats, normalised; sides are multiples of the patch */
};

/* Pictures to look for in others, by their own embeddings, prepared as by default. `names` may be NULL. */
legrad_status legrad_encode_pictures(
  const legrad_explainer *explainer, const legrad_picture *pictures, size_t picture_size, size_t count,
  const legrad_text *names, legrad_queries **queries, legrad_error **error);

size_t legrad_queries_count(const legrad_queries *queries);
size_t legrad_queries_width(const legrad_queries *queries);
/* A prompt, or the name of a class. Lives as long as the queries; an absent text for a number that no query has. */
legrad_text legrad_queries_name(const legrad_queries *queries, size_t number);
/* Tokens of a prompt that had no room in the model's context and were left out; 0 where nothing is known of it. */
size_t legrad_queries_cut(const legrad_queries *queries, size_t number);
/* [count, width]: unit rows of prompts, or the rows of the classifier's head. */
legrad_status legrad_queries_rows(const legrad_queries *queries, float *buffer, size_t count, legrad_error **error);
void legrad_queries_free(legrad_queries *queries);

/* ---- Explaining ---- */

enum {
  LEGRAD_CORRECTION_DEFAULT = 0,   /* for SigLIP's maps by the public code's threshold, none for others' */
  LEGRAD_CORRECTION_OFF = 1,
  LEGRAD_CORRECTION_THRESHOLD = 2  /* by correction_threshold; refused for a model whose maps are not corrected */
};

typedef struct legrad_request {
  size_t size;
  uint32_t version;
  uint32_t picture_size;         /* sizeof(legrad_picture) */
  const legrad_picture *pictures;
  size_t picture_count;
  const legrad_queries *queries; /* NULL: embeddings and logits without maps */
  const legrad_text *methods;    /* names such as "gradcam", or labels with what a method is told: "legrad all cls",
                                    "legrad 3..7 mean", "rollout from 2", "textspan less mean". "legrad last:2 mean" if NULL */
  size_t method_count;
  legrad_text resize;            /* "squash" (if absent), "crop", "fit" or "processor" */
  uint64_t height, width;        /* of the model's input; 0: its own */
  const legrad_queries *empty;   /* one row in place of SigLIP's text without content; may be NULL */
  int32_t correction;
  float correction_threshold;    /* from 0 to 1 */
  uint64_t batch;                /* pictures at a time, of one size; 0: 8. Each gets the bits that it gets alone. */
  const legrad_cancellation *cancellation; /* may be NULL */
  void (*progress)(void *context, uint64_t done, uint64_t total); /* told after each batch, on the calling thread; may be NULL */
  void *context;
} legrad_request;
#define LEGRAD_REQUEST_INIT {sizeof(legrad_request), LEGRAD_ABI_VERSION, sizeof(legrad_picture), NULL, 0, NULL, NULL, 0, \
  {NULL, 0}, 0, 0, NULL, 0, 0, 0, NULL, NULL, NULL}

/* Explains pictures by one or several methods, which share the forward. */
legrad_status legrad_explain(
  const legrad_explainer *explainer, const legrad_request *request, legrad_result **result, legrad_error **error);

typedef struct legrad_map_info {
  size_t size;
  uint32_t version;
  uint32_t reserved;
  uint64_t prompts;
  uint64_t first_layer, layers;       /* blocks that the method read, from 0 */
  uint64_t relevance_layers;          /* of legrad_result_layer_relevance: `layers`, or 1 for a method that sums none */
  uint64_t map_height, map_width;     /* of relevance: the patch grid, or the input's pixels */
  uint64_t grid_height, grid_width;   /* patches */
  uint64_t input_height, input_width; /* what the model saw, in pixels; of heatmaps */
  int64_t region_x, region_y;         /* the part of the picture that the model saw, in the picture's pixels; with padding */
  uint64_t region_height, region_width; /* it may reach beyond the picture */
} legrad_map_info;
#define LEGRAD_MAP_INFO_INIT {sizeof(legrad_map_info), LEGRAD_ABI_VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* What legrad_result_… give for a picture and a method of the request, both from 0. */
legrad_status legrad_result_describe(
  const legrad_result *result, size_t picture, size_t method, legrad_map_info *info, legrad_error **error);
/* The method with all that it was told, such as "legrad last:2 mean". Lives as long as the result. */
legrad_text legrad_result_method(const legrad_result *result, size_t method);
/* [prompts, map_height, map_width]: relevance, summed over layers, neither enlarged nor scaled. */
legrad_status legrad_result_relevance(
  const legrad_result *result, size_t picture, size_t method, float *buffer, size_t count, legrad_error **error);
/* [relevance_layers, prompts, map_height, map_width] */
legrad_status legrad_result_layer_relevance(
  const legrad_result *result, size_t picture, size_t method, float *buffer, size_t count, legrad_error **error);
/* [prompts, input_height, input_width]: enlarged and scaled to [0, 1]; all 0 where relevance is the same everywhere. */
legrad_status legrad_result_heatmaps(
  const legrad_result *result, size_t picture, size_t method, float *buffer, size_t count, legrad_error **error);
/* [prompts]: cosines of picture and prompts, or the logits of the classes that were asked for. */
legrad_status legrad_result_similarities(
  const legrad_result *result, size_t picture, float *buffer, size_t count, legrad_error **error);
/* [embedding_width]: a unit row, or the features that a classifier's head reads. */
legrad_status legrad_result_embedding(
  const legrad_result *result, size_t picture, float *buffer, size_t count, legrad_error **error);
/* How many features that are; of a classifier it may differ from embedding_width. */
size_t legrad_result_embedding_width(const legrad_result *result);
/* [class_count]: the logits of all classes. Fails for a model without classes. */
legrad_status legrad_result_logits(
  const legrad_result *result, size_t picture, float *buffer, size_t count, legrad_error **error);
/* The `count` most probable classes, at most class_count, from the most probable on; each buffer may be NULL. */
legrad_status legrad_result_top_classes(
  const legrad_result *result, size_t picture, uint64_t *numbers, float *logits, float *probabilities, size_t count,
  legrad_error **error);
void legrad_result_free(legrad_result *result);

/* ---- Pictures ---- */

/* Reads PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or HEIC, as the command does. */
legrad_status legrad_image_read(legrad_text path, legrad_image **image, legrad_error **error);
/* A copy of a LEGRAD_RGB8 picture. */
legrad_status legrad_image_from_pixels(const legrad_picture *picture, legrad_image **image, legrad_error **error);
uint64_t legrad_image_height(const legrad_image *image);
uint64_t legrad_image_width(const legrad_image *image);
/* [height, width, 3]; lives as long as the image. */
const uint8_t *legrad_image_pixels(const legrad_image *image);

typedef struct legrad_overlay_style {
  size_t size;
  uint32_t version;
  float alpha;         /* the heatmap's share of each pixel, from 0 to 1; 0: 0.6 */
  legrad_text colormap; /* "viridis" (if absent) or another of the command's */
} legrad_overlay_style;
#define LEGRAD_OVERLAY_STYLE_INIT {sizeof(legrad_overlay_style), LEGRAD_ABI_VERSION, 0, {NULL, 0}}

/* A heatmap of a result laid over the picture that it explains, as the command draws it. `style` may be NULL. */
legrad_status legrad_result_overlay(
  const legrad_result *result, size_t picture, size_t method, size_t prompt, const legrad_image *over,
  const legrad_overlay_style *style, legrad_image **image, legrad_error **error);
/* The image as a PNG file. */
legrad_status legrad_image_write_png(const legrad_image *image, legrad_text path, legrad_error **error);
/* The bytes of such a file; `needed` is how many there are, of which as many as have room are written. */
legrad_status legrad_image_png(
  const legrad_image *image, uint8_t *buffer, size_t capacity, size_t *needed, legrad_error **error);
void legrad_image_free(legrad_image *image);

#ifdef __cplusplus
}
#endif

#endif
