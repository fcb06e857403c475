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

}  // namespace
}  // namespace loom::http
