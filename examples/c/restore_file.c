/* SPDX-License-Identifier: MPL-2.0 */
/* Restores the video of a file into an MP4 file with the element.
 *
 *     cc examples/c/restore_file.c -o restore_file $(pkg-config --cflags --libs gstreamer-1.0)
 *     ./restore_file blurred.mp4 restored.mp4
 *
 * Needs the plugin where GStreamer finds it. */

#include <gst/gst.h>

static void set_location(GstElement *pipeline, const char *name, const char *path)
{
    GstElement *element = gst_bin_get_by_name(GST_BIN(pipeline), name);
    g_object_set(element, "location", path, NULL);
    gst_object_unref(element);
}

/* Blocks until the end of the stream, and prints what the graphs run on. */
static gboolean play(GstElement *pipeline, GError **error)
{
    GstBus *bus = gst_element_get_bus(pipeline);
    gboolean running = TRUE;

    while (running && *error == NULL) {
        GstMessage *message = gst_bus_timed_pop_filtered(
            bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT);
        if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS)
            running = FALSE;
        else if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
            gst_message_parse_error(message, error, NULL);
        else if (gst_message_has_name(message, "blurdm-provider"))
            g_print("%s\n", gst_structure_get_string(gst_message_get_structure(message), "provider"));
        gst_message_unref(message);
    }
    gst_object_unref(bus);
    return *error == NULL;
}

static void print_stats(GstElement *pipeline)
{
    GstElement *blurdm = gst_bin_get_by_name(GST_BIN(pipeline), "blurdm");
    GstStructure *stats = NULL;
    guint64 frames = 0;

    g_object_get(blurdm, "stats", &stats, NULL);
    gst_structure_get_uint64(stats, "frames", &frames);
    g_print("%" G_GUINT64_FORMAT " frames restored\n", frames);
    gst_structure_free(stats);
    gst_object_unref(blurdm);
}

int main(int argc, char **argv)
{
    GError *error = NULL;
    GstElement *pipeline;

    if (argc != 3) {
        g_printerr("usage: restore_file IN OUT.mp4\n");
        return 2;
    }
    gst_init(&argc, &argv);
    pipeline = gst_parse_launch("filesrc name=in ! decodebin ! videoconvert ! blurdm name=blurdm ! queue ! videoconvert"
                                " ! x264enc pass=qual vbv-buf-capacity=0 ! h264parse ! mp4mux ! filesink name=out",
                                &error);
    if (error == NULL) {
        set_location(pipeline, "in", argv[1]);
        set_location(pipeline, "out", argv[2]);
        gst_element_set_state(pipeline, GST_STATE_PLAYING);
        if (play(pipeline, &error))
            print_stats(pipeline);
        gst_element_set_state(pipeline, GST_STATE_NULL);
    }
    if (pipeline != NULL)
        gst_object_unref(pipeline);
    if (error != NULL) {
        g_printerr("%s\n", error->message);
        g_error_free(error);
        return 1;
    }
    return 0;
}
