#include "loom/http/form_data.h"

#include <gtest/gtest.h>

namespace loom::http {
namespace {

using State = FormField::State;

constexpr std::string_view type = "multipart/form-data; boundary=B0";
constexpr std::string_view form =
    "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\n"
    "RIFF\r\n--B\r\n\r\nmodel\r\n"
    "--B0\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n"
    "--B0\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n--B0--\r\n";

TEST(FormData, FindsAFieldBehindAFileOfThatName) {
    const FormField field = find_form_field(type, form, "model");
    ASSERT_EQ(field.state, State::found);
    EXPECT_EQ(field.value, "whisper-1");
    EXPECT_EQ(form.substr(field.offset, field.value.size()), field.value);
    EXPECT_EQ(find_form_field(type, form, "empty").state, State::found);
    EXPECT_EQ(find_form_field(type, form, "empty").value, "");
    EXPECT_EQ(find_form_field(type, form, "other").state, State::absent);
    EXPECT_EQ(find_form_field("Multipart/Form-Data; charset=x; Boundary=\"B0\"", form, "model").value, "whisper-1");
    EXPECT_EQ(find_form_field(type, "preamble\r\n" + std::string(form), "model").value, "whisper-1");
}

/// However it is cut: open until the field is whole, and then the same for good.
TEST(FormData, IsTheSameAtEveryCut) {
    const FormField whole = find_form_field(type, form, "model");
    const size_t known = whole.offset + whole.value.size() + std::string_view("\r\n--B0").size();
    for (size_t cut = 0; cut <= form.size(); ++cut) {
        const FormField field = find_form_field(type, form.substr(0, cut), "model");
        EXPECT_EQ(field.state, cut < known ? State::open : State::found) << cut;
        if (cut >= known) EXPECT_EQ(field.value, "whisper-1") << cut;
    }
}

TEST(FormData, IsNoFormWithoutABoundary) {
    for (const std::string_view other :
         {"application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=B0",
          "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x"})
        EXPECT_EQ(find_form_field(other, form, "model").state, State::absent) << other;
}

/// What a reader sees, a part a line: its name, whether it is a file, its data.
struct ReadForm {
    std::string text;
    bool whole = false;
    bool broken = false;
    size_t end = 0;  // of what was consumed with the last boundary
};

/// Pieces of `step` bytes.
ReadForm read_form(std::string_view content_type, std::string_view bytes, size_t step) {
    FormReader reader(content_type);
    ReadForm read;
    size_t consumed = 0;
    for (size_t at = 0; at < bytes.size(); at += step) {
        std::string_view piece = bytes.substr(at, step);
        while (!piece.empty()) {
            const auto next = reader.next(piece);
            if (!next) {
                read.broken = true;
                return read;
            }
            consumed += next->consumed;
            piece.remove_prefix(next->consumed);
            if (next->event == FormReader::Event::head)
                read.text += "\n" + reader.part().name + (reader.part().is_file ? " file" : "") +
                             (reader.part().encoded ? " encoded" : "") + ":";
            if (next->event == FormReader::Event::data) read.text += next->data;
            if (next->event == FormReader::Event::end) read.end = consumed;
        }
    }
    read.whole = reader.ended();
    return read;
}

constexpr std::string_view strict_form =
    "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\\b\"\r\nContent-Type: audio/wav\r\n\r\n"
    "RIFF\r\n--B\r\n\r\rx\r\n-\r\n"
    "--B0 \t\r\ncontent-disposition: form-data;name=model ; filename*=UTF-8''x\r\n"
    "content-transfer-encoding: base64\r\n\r\nwhisper-1\r\n"
    "--B0\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--B0--\r\n";

TEST(FormReader, ReadsTheSameHoweverItIsCut) {
    for (size_t step = 1; step <= strict_form.size(); ++step) {
        const ReadForm read = read_form(type, strict_form, step);
        EXPECT_EQ(read.text, "\nfile file:RIFF\r\n--B\r\n\r\rx\r\n-\nmodel file encoded:whisper-1\nempty:") << step;
        EXPECT_TRUE(read.whole);
        EXPECT_EQ(read.end, strict_form.size() - 2) << "the line break behind it is not needed";
    }
}

TEST(FormReader, IsWholeWithItsLastBoundaryAndNotBefore) {
    const size_t whole = strict_form.size() - 2;
    for (size_t size = 0; size < strict_form.size(); ++size) {
        const ReadForm read = read_form(type, strict_form.substr(0, size), 7);
        EXPECT_FALSE(read.broken) << size;
        EXPECT_EQ(read.whole, size >= whole) << size;
    }
}

/// What one server takes for one form and another for another.
TEST(FormReader, RefusesWhatIsReadInTwoWays) {
    const auto one = [](std::string_view head, std::string_view data = "x") {
        return "--B0\r\n" + std::string(head) + "\r\n\r\n" + std::string(data) + "\r\n--B0--\r\n";
    };
    const std::string good = one("Content-Disposition: form-data; name=\"a\"");
    ASSERT_FALSE(read_form(type, good, 5).broken);
    for (const std::string& bad : {
             "preamble\r\n" + good,
             "\r\n" + good,
             good + "epilogue",
             one(""),
             one("Content-Type: text/plain"),
             one("Content-Disposition: form-data"),
             one("Content-Disposition: attachment; name=a"),
             one("Content-Disposition: form-data; name=a; name=b"),
             one("Content-Disposition: form-data; name*=UTF-8''purpose"),
             one("Content-Disposition: form-data; name=a; name*0=purpose"),
             one("Content-Disposition: form-data; name=a; name*0*=purpose"),
             one("Content-Disposition: form-data; name=a; filename*0=f"),
             one("Content-Disposition: form-data; filename=\"a\\\"; name=purpose; y=\""),
             one("Content-Disposition: form-data; name=a; filename=\"x\\\\\""),
             one("Content-Disposition: form-data; name=a; filename=\"x\"y"),
             one("Content-Disposition: form-data; name=a; filename=\"--B0\""),
             one("Content-Disposition: form-data; name=a\r\n--B0: x"),
             one("Content-Disposition: form-data; name=\"purp\\ose\""),
             one("Content-Disposition: form-data; name=\"a"),
             one("Content-Disposition: form-data; name=a b"),
             one("Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b"),
             one("Content-Disposition: form-data;\r\n name=a"),
             one("Content-Disposition: form-data; name=a\nContent-Type: x"),
             one("Content-Disposition: form-data; name=a\r\nx\rContent-Type: x"),
             one("Content-Disposition: form-data; name=a\r\nno colon"),
             one("Content-Disposition: form-data; name=a", "--B0\r\nContent-Disposition: form-data; name=b\r\n\r\ny"),
             one("Content-Disposition: form-data; name=a", "x\r\n--B0x"),
             one("Content-Disposition: form-data; name=a", "x\r\n--B0\n"),
             one("Content-Disposition: form-data; name=" + std::string(5000, 'a')),
         })
        EXPECT_TRUE(read_form(type, bad, 3).broken) << bad.substr(0, 200);
    for (const std::string_view other :
         {"application/json", "multipart/form-data",
          "multipart/form-data; boundary=", "multipart/form-data; boundary=B0; boundary=B1",
          "multipart/form-data; boundary=B0, multipart/form-data", "multipart/form-data; boundary=\"B\\0\"",
          "multipart/form-data; boundary=\"B 0\"", "multipart/form-data; boundary=B0; boundary*=utf-8''B1",
          "multipart/form-data; boundary=B0; boundary*0=B1", "multipart/form-data; boundary=B0; boundary =B1",
          "multipart/form-data; boundary= B0", "multipart/form-data; boundary=\"B0\"B1",
          "multipart/form-data; boundary=B0/B1", "multipart/form-data; boundary=B0 B1",
          "multipart/form-data; boundary=B0; x", "multipart/form-datas; boundary=B0", "multipart/form-data boundary=B0",
          "multipart/form-data; x=\"; boundary=B1\\\"; boundary=B0",
          "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x"})
        EXPECT_TRUE(read_form(other, good, 100).broken) << other;
}

TEST(FormReader, FindsTheOneBoundary) {
    const std::string good = "--B0\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--B0--\r\n";
    for (const std::string_view known : {"multipart/form-data; boundary=B0", "Multipart/Form-Data;BOUNDARY=\"B0\" ;",
                                         "multipart/form-data ; charset=\"a; boundary=B1\"; boundary=B0; x=y"})
        EXPECT_TRUE(read_form(known, good, 100).whole) << known;
}

/// A boundary in the data that no whole line break precedes is one to some: wherever it stands, and however it is cut.
TEST(FormReader, RefusesABoundaryInsideOfData) {
    for (const std::string boundary : {"B0", "--B0", "----------"}) {
        const std::string content_type = "multipart/form-data; boundary=" + boundary;
        const std::string begin = "--" + boundary + "\r\nContent-Disposition: form-data; name=a\r\n\r\n";
        const std::string end = "\r\n--" + boundary + "--\r\n";
        for (const std::string before : {"\n", "x\n", "x", "\r", "\n\r", "\r\n-", "x\r\n-", "\r\n--x--", "-", "--",
                                         "---", "-\n", "\r\r", "\r\n--\n"}) {
            const std::string form = begin + before + "--" + boundary + "\nContent-Disposition" + end;
            for (size_t step = 1; step <= form.size(); ++step) {
                const ReadForm read = read_form(content_type, form, step);
                EXPECT_TRUE(read.broken) << boundary << " " << before << " " << step;
                EXPECT_EQ(read.text, read_form(content_type, form, 1).text) << boundary << " " << before << " " << step;
            }
        }
        for (const std::string data : {"--", "x--\n--", "\r\n-\r\n-", "-\r-\n-", "\r\n--\r\n--"}) {
            const std::string form = begin + data + boundary.substr(0, boundary.size() - 1) + "\n" + end;
            for (size_t step = 1; step <= form.size(); ++step)
                EXPECT_TRUE(read_form(content_type, form, step).whole) << boundary << " " << data << " " << step;
        }
    }
}

}  // namespace
}  // namespace loom::http
