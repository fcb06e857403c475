// The plain reference: simdjson's DOM, which parses and judges the whole document.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "loom/base/json.h"

namespace loom::llm {

class Dom {
  public:
    explicit Dom(std::string_view text) : error_(parser_.parse(simdjson::padded_string(text)).get(root_)) {}

    bool valid() const { return error_ == simdjson::SUCCESS; }
    simdjson::dom::element root() const { return root_; }
    /// A JSON pointer: "/choices/0/delta/content".
    std::string text(std::string_view pointer) const {
        std::string_view value;
        const auto error = root_.at_pointer(pointer).get(value);
        EXPECT_EQ(error, simdjson::SUCCESS) << pointer;
        return std::string(value);
    }
    int64_t number(std::string_view pointer) const {
        int64_t value = -1;
        const auto error = root_.at_pointer(pointer).get(value);
        EXPECT_EQ(error, simdjson::SUCCESS) << pointer;
        return value;
    }
    bool has(std::string_view pointer) const { return valid() && root_.at_pointer(pointer).error() == simdjson::SUCCESS; }
    bool is_null(std::string_view pointer) const { return has(pointer) && root_.at_pointer(pointer).is_null(); }
    size_t size(std::string_view pointer) const { return root_.at_pointer(pointer).get_array().size(); }

  private:
    simdjson::dom::parser parser_;
    simdjson::dom::element root_;
    simdjson::error_code error_;
};

/// The document without white space; "" when it is not valid.
inline std::string minified(std::string_view text) {
    Dom dom(text);
    return dom.valid() ? simdjson::minify(dom.root()) : std::string();
}

}  // namespace loom::llm
