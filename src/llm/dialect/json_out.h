// Writes one JSON document, or the data of one event, at the end of a buffer. Commas come by themselves.
#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

#include "chat.h"
#include "loom/base/block_pool.h"

namespace loom::llm {

/// Keys are literals of ours and are not escaped.
class JsonOut {
  public:
    explicit JsonOut(ByteBuffer& out) noexcept : out_(out) {}

    void open_object() { open('{'); }
    void close_object() { close('}'); }
    void open_array() { open('['); }
    void close_array() { close(']'); }
    void key(std::string_view name) {
        separate();
        out_.append("\"");
        out_.append(name);
        out_.append("\":");
        fresh_ = true;
    }

    // values
    void json(Json value) {
        separate();
        out_.append(value);
    }
    void text(Text inside) {
        open_text();
        out_.append(inside);
        close_text();
    }
    /// Any bytes: escaped.
    void string(std::string_view plain) {
        open_text();
        escaped(plain);
        close_text();
    }
    void number(uint64_t value) {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
        json({digits, static_cast<size_t>(end - digits)});
    }
    void boolean(bool value) { json(value ? "true" : "false"); }
    void null() { json("null"); }

    // a string in pieces: open_text, then texts and escapes, close_text
    void open_text() {
        separate();
        out_.append("\"");
    }
    void piece(Text inside) { out_.append(inside); }
    void escaped(std::string_view plain);
    void close_text() { out_.append("\""); }

    // members; those of views are left out where the view is absent
    void member(std::string_view name, Text inside) {
        if (!has(inside)) return;
        key(name);
        text(inside);
    }
    void member_json(std::string_view name, Json value) {
        if (!has(value)) return;
        key(name);
        json(value);
    }
    void member_string(std::string_view name, std::string_view plain) {
        key(name);
        string(plain);
    }
    void member_number(std::string_view name, uint64_t value) {
        key(name);
        number(value);
    }
    void member_boolean(std::string_view name, bool value) {
        key(name);
        boolean(value);
    }
    void member_null(std::string_view name) {
        key(name);
        null();
    }

    [[nodiscard]] ByteBuffer& out() noexcept { return out_; }

  private:
    void separate() {
        if (!fresh_) out_.append(",");
        fresh_ = false;
    }
    void open(char bracket) {
        separate();
        out_.append({&bracket, 1});
        fresh_ = true;
    }
    void close(char bracket) {
        out_.append({&bracket, 1});
        fresh_ = false;
    }

    ByteBuffer& out_;
    bool fresh_ = true;  // nothing stands before the next value that a comma must follow
};

}  // namespace loom::llm
