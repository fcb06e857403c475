// One walk over a request's body: fills a Request, or leaves a fault.
#pragma once

#include <cstdint>

#include "cursor.h"
#include "loom/llm/request.h"
#include "request_keys.h"

namespace loom::llm {

class RequestWalk {
  public:
    RequestWalk(Endpoint endpoint, std::string_view body, Tokens tokens) noexcept
        : endpoint_(endpoint), cursor_(body, tokens) {}

    /// What is told of each text of the prompt: the inside of a string, or JSON as it stands.
    class TextSink {
      public:
        virtual void on_text(std::string_view raw, bool is_json_text) = 0;

      protected:
        ~TextSink() = default;
    };
    void tell_texts(TextSink& sink) noexcept { sink_ = &sink; }

    /// The strings of the result are ranges yet: model_range and user_range() are not decoded.
    [[nodiscard]] bool run();

    [[nodiscard]] const Request& request() const noexcept { return request_; }
    [[nodiscard]] Range user_range() const noexcept { return user_range_; }
    [[nodiscard]] const Fault& fault() const noexcept { return cursor_.fault(); }
    [[nodiscard]] const char* param() const noexcept { return param_; }

  private:
    bool read_member(Range key);
    void note_model_member(Range key);
    bool read_gemini_member(Range key);
    bool read_gemini_content();
    bool read_value(Key key);
    bool read_hint(std::string_view name);
    bool take_hint(Range& range);
    void note_occasion(std::string_view name) noexcept;
    bool first_time(Key key, uint32_t offset, bool disguised);
    bool check_required();

    bool read_output_member(std::string_view name);
    bool read_schema_wish(bool in_format);
    bool read_generation_config();
    bool read_gemini_bound();
    /// Could a lenient reader take a key for that one: in another case, with other underscores, with escapes?
    [[nodiscard]] static bool may_mean(std::string_view name, std::string_view folded) noexcept;
    bool read_inline_data();

    bool read_stream_options();
    bool read_flag(Key key, bool& flag, Range& range);
    bool read_count(Key key, uint64_t& count);
    bool read_bound(Key key, uint64_t& count, OutputBound& bound);
    bool read_string(Key key, Range& range);
    bool read_array(Key key, Range& range, bool& non_empty);

    bool read_messages();
    bool read_message();
    bool read_message_member(Range key, struct Message& message);
    bool read_content(Range& last_text);
    bool read_part(Range& last_text);
    bool read_input(Key key);
    bool read_input_element(Range& last_text, uint32_t& tokens);
    bool count_raw();
    void count_text(Range string) {
        request_.prompt_bytes += string.length - 2;
        if (sink_ != nullptr) sink_->on_text(inside(cursor_.text(), string), true);
    }
    void set_last_user(Range string) noexcept;
    void note_opening() noexcept;

    bool wrong_type(Key key) {
        if (!cursor_.at_end()) param_ = facts_of(key).param;  // else the document is at fault
        return cursor_.fail_here(facts_of(key).wrong_type);
    }

    Endpoint endpoint_;
    TextSink* sink_ = nullptr;
    Cursor cursor_;
    Request request_;
    Range user_range_;
    uint64_t max_completion_tokens_ = 0, max_tokens_ = 0, max_output_tokens_ = 0;
    uint32_t seen_ = 0;   // one bit a Key
    uint32_t comma_ = 0;  // offset of the one in front of the member at hand; 0: it is the first
    const char* param_ = "";
};

}  // namespace loom::llm
