// The text-bearing members of a request: messages, prompts, inputs.
#include "request_walk.h"

namespace loom::llm {

struct Message {
    bool is_user = false;
    bool has_role = false, has_content = false, has_id = false, has_type = false;
    Range last_text;
};

bool RequestWalk::read_messages() {
    if (cursor_.peek() != '[') return wrong_type(Key::messages);
    request_.messages_range.offset = cursor_.offset();
    const bool good = cursor_.each_element([&] {
        if (cursor_.peek() != '{') return wrong_type(Key::messages);
        request_.message_count += 1;
        return read_message();
    });
    if (good) request_.messages_range.length = cursor_.last_end() - request_.messages_range.offset;
    return good;
}

bool RequestWalk::read_message() {
    Message message;
    if (!cursor_.each_member([&](Range key) { return read_message_member(key, message); })) return false;
    if (message.is_user && !message.last_text.absent()) set_last_user(message.last_text);
    if (message.is_user) note_opening();
    // An item of Responses that says nothing but an id is an item_reference too, whose type may be left out.
    const bool is_bare = message.has_id && !message.has_type && !message.has_role;
    request_.uses_stored |= is_bare && (endpoint_ == Endpoint::responses || endpoint_ == Endpoint::input_tokens);
    return true;
}

/// Behind the message at hand, where it is the first of a user: every turn of a conversation begins so.
void RequestWalk::note_opening() noexcept {
    if (!request_.opening_range.absent()) return;
    const uint32_t offset = request_.messages_range.offset;
    request_.opening_range = {offset, cursor_.last_end() - offset};
}

bool RequestWalk::read_message_member(Range key, Message& message) {
    const std::string_view name = inside(cursor_.text(), key);
    const auto twice = [&](const char* what) {
        param_ = "messages";
        return cursor_.fail_at(key.offset, what);
    };
    if (name == "role") {
        if (std::exchange(message.has_role, true)) return twice("'role' stands twice in a message");
        if (cursor_.peek() != '"') return cursor_.skip_value();
        const std::string_view role = inside(cursor_.text(), cursor_.take_string());
        message.is_user = role == "user";
        request_.occasions.no_developer_role |= role == "developer";
        request_.occasions.no_system_in_messages |= role == "developer" || role == "system";
        return true;
    }
    if (name == "content") {
        if (std::exchange(message.has_content, true)) return twice("'content' stands twice in a message");
        request_.occasions.no_content_parts |= cursor_.peek() == '[';
        return read_content(message.last_text);
    }
    message.has_id |= name == "id";
    if (name == "type" && cursor_.peek() == '"') {
        message.has_type = true;
        request_.uses_stored |= inside(cursor_.text(), cursor_.take_string()) == "item_reference";
        return true;
    }
    // What the model said or was told by tools is part of its prompt as well.
    if (name == "tool_calls" || name == "function_call" || name == "arguments" || name == "output" ||
        name == "refusal" || name == "reasoning_content" || name == "summary") {
        request_.occasions.no_reasoning_content |= name == "reasoning_content";
        return count_raw();
    }
    request_.occasions.no_reasoning_content |= name == "reasoning" || name == "thinking_blocks";
    return cursor_.skip_value();
}

/// A string, or an array of parts; of anything else the upstream is the judge.
bool RequestWalk::read_content(Range& last_text) {
    if (cursor_.peek() == '"') {
        last_text = cursor_.take_string();
        count_text(last_text);
        return true;
    }
    if (cursor_.peek() != '[') return cursor_.skip_value();
    return cursor_.each_element([&] { return read_part(last_text); });
}

bool RequestWalk::read_part(Range& last_text) {
    if (cursor_.peek() == '"') {
        last_text = cursor_.take_string();
        count_text(last_text);
        return true;
    }
    if (cursor_.peek() != '{') return cursor_.skip_value();
    return cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (name == "text" && cursor_.peek() == '"') {
            last_text = cursor_.take_string();
            count_text(last_text);
            return true;
        }
        if (name == "type" && cursor_.peek() == '"') {
            const std::string_view type = inside(cursor_.text(), cursor_.take_string());
            request_.has_images |= type == "image_url" || type == "input_image" || type == "image";
            request_.has_audio |= type == "input_audio";
            request_.has_files |=
                type == "file" || type == "input_file" || type == "document" || type == "container_upload";
            return true;
        }
        if (name == "image_url") request_.has_images = true;
        if (name == "content" || name == "refusal") {  // a tool's result: its text is no user's
            Range unused;
            return read_content(unused);
        }
        if (name == "input") return count_raw();  // a tool's arguments
        return cursor_.skip_value();
    });
}

/// Prompt and input: a string, an array of strings, of messages, of tokens, or of token arrays.
bool RequestWalk::read_input(Key key) {
    if (cursor_.is_null() && endpoint_ != Endpoint::embeddings) return cursor_.skip_value();
    Range& range = request_.messages_range;
    Range last_text;
    range.offset = cursor_.offset();
    if (cursor_.peek() == '"') {
        range = last_text = request_.opening_range = cursor_.take_string();
        count_text(range);
        request_.message_count = 1;
    } else if (cursor_.peek() == '[') {
        uint32_t tokens = 0, elements = 0;
        const bool good = cursor_.each_element([&] {
            elements += 1;
            return read_input_element(last_text, tokens);
        });
        if (!good) return false;
        range.length = cursor_.last_end() - range.offset;
        request_.message_count = elements - tokens + (tokens > 0);
    } else {
        return wrong_type(key);
    }
    if (!last_text.absent()) set_last_user(last_text);
    return true;
}

bool RequestWalk::read_input_element(Range& last_text, uint32_t& tokens) {
    if (cursor_.peek() == '"') {
        last_text = cursor_.take_string();
        count_text(last_text);
        return true;
    }
    if (cursor_.peek() == '{') return read_message();
    if (cursor_.is_number()) tokens += 1;
    return count_raw();
}

/// Gemini's documents name neither model nor stream: both stand in the path. Keys come in both of proto JSON's
/// spellings.
bool RequestWalk::read_gemini_member(Range key) {
    const std::string_view name = inside(cursor_.text(), key);
    if (name == "contents" || name == "requests") {
        Range& range = request_.messages_range;
        range.offset = cursor_.offset();
        const bool is_list = cursor_.peek() == '[';
        const auto read_one = [&] {
            if (!read_gemini_content()) return false;
            note_opening();
            return true;
        };
        const bool good = is_list ? cursor_.each_element(read_one) : read_one();
        if (good) range.length = cursor_.last_end() - range.offset;
        return good;
    }
    if (name == "content") return read_gemini_content();
    const uint32_t offset = cursor_.offset();
    if (name == "systemInstruction" || name == "system_instruction") {
        if (!read_gemini_content()) return false;
        request_.system_range = {offset, cursor_.last_end() - offset};
        return true;
    }
    if (name == "tools") {
        request_.has_tools = cursor_.peek() == '[';
        if (!count_raw()) return false;
        request_.tools_range = {offset, cursor_.last_end() - offset};
        return true;
    }
    if (name == "generationConfig" || name == "generation_config") return read_generation_config();
    request_.has_unclear_bound |= may_mean(name, "generationconfig");
    return cursor_.skip_value();
}

/// `{"role":…,"parts":[{"text":…}]}`; of the last user's, the last text.
bool RequestWalk::read_gemini_content() {
    if (cursor_.peek() != '{') return count_raw();
    request_.message_count += 1;
    bool is_user = true;  // a content without a role is the user's
    Range last_text;
    const auto read_part_member = [&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (name == "text" && cursor_.peek() == '"') {
            last_text = cursor_.take_string();
            count_text(last_text);
            return true;
        }
        if (name == "inlineData" || name == "inline_data" || name == "fileData" || name == "file_data")
            return read_inline_data();
        const bool is_prompt = name.starts_with("function");
        return is_prompt ? count_raw() : cursor_.skip_value();
    };
    const bool good = cursor_.each_member([&](Range key) {
        const std::string_view name = inside(cursor_.text(), key);
        if (name == "role" && cursor_.peek() == '"') {
            is_user = inside(cursor_.text(), cursor_.take_string()) == "user";
            return true;
        }
        if (name == "content" && cursor_.peek() == '{') return read_gemini_content();  // of batchEmbedContents
        if (name != "parts" || cursor_.peek() != '[') return cursor_.skip_value();
        return cursor_.each_element(
            [&] { return cursor_.peek() == '{' ? cursor_.each_member(read_part_member) : cursor_.skip_value(); });
    });
    if (good && is_user && !last_text.absent()) set_last_user(last_text);
    return good;
}

}  // namespace loom::llm
