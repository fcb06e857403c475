#include "request_walk.h"

#include <algorithm>

namespace loom::llm {

namespace {

/// The members by which an endpoint's documents bound their answers.
bool is_bound_of(Key key, Endpoint endpoint) noexcept {
    const bool is_chat = endpoint == Endpoint::chat_completions;
    switch (key) {
        case Key::max_completion_tokens: return is_chat;
        case Key::max_output_tokens: return endpoint == Endpoint::responses;
        default: return is_chat || endpoint == Endpoint::completions || endpoint == Endpoint::messages;
    }
}

}  // namespace

bool RequestWalk::run() {
    if (cursor_.peek() != '{') return cursor_.fail_here("the body must be a JSON object");
    request_.object_insert_offset = cursor_.offset() + 1;
    request_.object_empty = true;
    const bool good = cursor_.each_member([&](Range key) {
        request_.object_empty = false;
        const bool had_model = !request_.model_range.absent();
        if (!read_member(key)) return false;
        if (!had_model && !request_.model_range.absent()) note_model_member(key);
        comma_ = cursor_.offset();
        return true;
    });
    if (!good) return false;
    if (!cursor_.at_end()) return cursor_.fail_here("there are bytes behind the JSON object");
    request_.max_tokens = max_completion_tokens_ != 0 ? max_completion_tokens_
                          : max_tokens_ != 0          ? max_tokens_
                                                      : max_output_tokens_;
    return check_required();
}

/// Just read: the comma behind it goes with it, or the one in front of the last.
void RequestWalk::note_model_member(Range key) {
    const bool is_last = cursor_.peek() != ',';
    const uint32_t begin = is_last && comma_ != 0 ? comma_ : key.offset;
    const uint32_t end = is_last ? cursor_.last_end() : cursor_.offset() + 1;
    request_.model_member = {begin, end - begin};
}

bool RequestWalk::read_member(Range key) {
    bool disguised = false;
    const Key which = key_of(inside(cursor_.text(), key), disguised);
    if (names_model_in_path(endpoint_)) return read_gemini_member(key);
    note_occasion(inside(cursor_.text(), key));
    if (which == Key::other) return read_hint(inside(cursor_.text(), key));
    if (which == Key::include_usage) return cursor_.skip_value();
    return first_time(which, key.offset, disguised) && read_value(which);
}

/// By the size of a name most are told from all of these.
void RequestWalk::note_occasion(std::string_view name) noexcept {
    Quirks& may = request_.occasions;
    switch (name.size()) {
        case 1: may.no_n |= name == "n"; break;
        case 4:
            may.no_user |= name == "user";
            may.no_seed |= name == "seed";
            may.seed_is_random_seed |= name == "seed";
            break;
        case 8: may.no_logprobs |= name == "logprobs"; break;
        case 11: may.no_tool_choice_required |= name == "tool_choice"; break;
        case 12: may.no_logprobs |= name == "top_logprobs"; break;
        case 14: may.no_stream_options |= name == "stream_options"; break;
        case 15: may.no_json_schema |= name == "response_format"; break;
        case 16: may.no_penalties |= name == "presence_penalty"; break;
        case 17: may.no_penalties |= name == "frequency_penalty"; break;
        case 19: may.no_parallel_tool_calls |= name == "parallel_tool_calls"; break;
        case 21: may.max_tokens_only |= name == "max_completion_tokens"; break;
        default: break;
    }
}

bool RequestWalk::first_time(Key key, uint32_t offset, bool disguised) {
    const uint32_t bit = 1u << static_cast<uint32_t>(key);
    if ((seen_ & bit) != 0 || disguised) {
        param_ = facts_of(key).param;
        return cursor_.fail_at(offset, facts_of(key).duplicate);
    }
    seen_ |= bit;
    return true;
}

bool RequestWalk::check_required() {
    const auto has = [&](Key key) { return (seen_ >> static_cast<uint32_t>(key) & 1) != 0; };
    const auto missing = [&](Key key, const char* what) {
        param_ = facts_of(key).param;
        return cursor_.fail_at(request_.object_insert_offset - 1, what);
    };
    if (names_model_in_path(endpoint_)) return true;
    if (!has(Key::model)) return missing(Key::model, "'model' is missing: name the model to use");
    const bool talks = endpoint_ == Endpoint::chat_completions || endpoint_ == Endpoint::messages ||
                       endpoint_ == Endpoint::count_tokens;
    if (talks && !has(Key::messages)) return missing(Key::messages, "'messages' is missing");
    if (endpoint_ == Endpoint::embeddings && !has(Key::input)) return missing(Key::input, "'input' is missing");
    return true;
}

bool RequestWalk::read_value(Key key) {
    bool ignored = false;
    switch (key) {
        case Key::model: return read_string(key, request_.model_range);
        case Key::user: return cursor_.is_null() ? cursor_.skip_value() : read_string(key, user_range_);
        case Key::stream: return read_flag(key, request_.stream, request_.stream_range);
        case Key::stream_options: return read_stream_options();
        case Key::messages: return read_messages();
        case Key::prompt:
        case Key::input: return read_input(key);
        case Key::max_tokens: return read_bound(key, max_tokens_, request_.output_bounds[1]);
        case Key::max_completion_tokens: return read_bound(key, max_completion_tokens_, request_.output_bounds[0]);
        case Key::max_output_tokens: return read_bound(key, max_output_tokens_, request_.output_bounds[2]);
        case Key::tools: return read_array(key, request_.tools_range, request_.has_tools);
        case Key::functions: {
            Range range;
            const bool good = read_array(key, range, ignored);
            request_.has_tools |= ignored;
            return good;
        }
        case Key::tool_choice: return cursor_.skip_value(request_.tool_choice_range);
        case Key::anthropic_version: return cursor_.skip_value(request_.anthropic_version_range);
        case Key::system:
        case Key::instructions: {
            Range text;
            if (cursor_.peek() != '"' && cursor_.peek() != '[' && !cursor_.is_null()) return wrong_type(key);
            const uint32_t offset = cursor_.offset();
            if (!read_content(text)) return false;
            request_.system_range = {offset, cursor_.last_end() - offset};
            return true;
        }
        case Key::n: {
            uint64_t n = 1;
            const uint32_t offset = cursor_.offset();
            if (!cursor_.is_null() && !read_count(key, n)) return false;
            if (cursor_.is_null() && !cursor_.skip_value()) return false;
            request_.n = static_cast<uint32_t>(std::min<uint64_t>(n, UINT32_MAX));
            if (n > 0) return true;
            param_ = facts_of(key).param;
            return cursor_.fail_at(offset, facts_of(key).wrong_type);
        }
        case Key::previous_response_id:
        case Key::conversation:
            request_.uses_stored |=
                (endpoint_ == Endpoint::responses || endpoint_ == Endpoint::input_tokens) && !cursor_.is_null();
            return cursor_.skip_value();
        case Key::include_usage:
        case Key::other: break;
    }
    return cursor_.skip_value();
}

/// Members that tell requests of one user or conversation from others', or what they leave behind. What is wrong with
/// them the upstream may say.
bool RequestWalk::read_hint(std::string_view name) {
    if (name == "safety_identifier") {
        request_.identifier_range = {};
        return take_hint(request_.identifier_range);
    }
    if (name == "store") {
        if (cursor_.is_true()) request_.store = Request::Store::on;
        if (cursor_.is_false()) request_.store = Request::Store::off;
        return cursor_.skip_value();
    }
    if (name == "prompt_cache_key") return take_hint(request_.cache_key_range);
    if (name != "metadata" || cursor_.peek() != '{') return read_output_member(name);
    return cursor_.each_member([&](Range key) {
        const bool is_user = inside(cursor_.text(), key) == "user_id" && request_.identifier_range.absent();
        return is_user ? take_hint(request_.identifier_range) : cursor_.skip_value();
    });
}

bool RequestWalk::take_hint(Range& range) {
    if (cursor_.peek() != '"') return cursor_.skip_value();
    const Range string = cursor_.take_string();
    constexpr uint32_t empty_bytes = 2;
    if (string.length > empty_bytes) range = string;
    return true;
}

bool RequestWalk::read_string(Key key, Range& range) {
    if (cursor_.peek() != '"') return wrong_type(key);
    range = cursor_.take_string();
    return true;
}

/// SDKs send null for what was not set.
bool RequestWalk::read_flag(Key key, bool& flag, Range& range) {
    if (!cursor_.is_true() && !cursor_.is_false() && !cursor_.is_null()) return wrong_type(key);
    flag = cursor_.is_true();
    return cursor_.skip_value(range);
}

bool RequestWalk::read_count(Key key, uint64_t& count) {
    if (cursor_.is_null()) return cursor_.skip_value();
    return cursor_.take_count(count) || wrong_type(key);
}

bool RequestWalk::read_bound(Key key, uint64_t& count, OutputBound& bound) {
    const uint32_t offset = cursor_.offset();
    if (!is_bound_of(key, endpoint_)) {  // its provider looks at it no more than at any other word
        uint64_t ignored = 0;
        return read_count(key, ignored);
    }
    if (!read_count(key, count)) return false;
    bound = {.range = {offset, cursor_.last_end() - offset}, .value = count};
    return true;
}

bool RequestWalk::read_array(Key key, Range& range, bool& non_empty) {
    if (cursor_.is_null()) return cursor_.skip_value();
    if (cursor_.peek() != '[') return wrong_type(key);
    if (!cursor_.skip_value(range)) return false;
    request_.prompt_bytes += range.length - 2;
    if (sink_ != nullptr) sink_->on_text(text_of(cursor_.text(), range), false);
    const std::string_view between = text_of(cursor_.text(), range).substr(1, range.length - 2);
    non_empty = between.find_first_not_of(" \t\r\n") != between.npos;
    return true;
}

bool RequestWalk::read_stream_options() {
    Range& range = request_.stream_options_range;
    if (cursor_.is_null()) return cursor_.skip_value(range);
    if (cursor_.peek() != '{') return wrong_type(Key::stream_options);
    request_.has_stream_options = true;
    request_.stream_options_empty = true;
    range.offset = cursor_.offset();
    const bool good = cursor_.each_member([&](Range key) {
        request_.stream_options_empty = false;
        bool disguised = false;
        if (key_of(inside(cursor_.text(), key), disguised) != Key::include_usage) return cursor_.skip_value();
        return first_time(Key::include_usage, key.offset, disguised) &&
               read_flag(Key::include_usage, request_.include_usage, request_.include_usage_range);
    });
    if (good) range.length = cursor_.last_end() - range.offset;
    return good;
}

/// Adds the raw bytes of a value that is text to the model, whatever its shape.
bool RequestWalk::count_raw() {
    Range range;
    if (!cursor_.skip_value(range)) return false;
    request_.prompt_bytes += range.length;
    if (sink_ != nullptr) sink_->on_text(text_of(cursor_.text(), range), false);
    return true;
}

void RequestWalk::set_last_user(Range string) noexcept {
    request_.last_user_range = string;
    request_.last_user_text = inside(cursor_.text(), string);
}

}  // namespace loom::llm
