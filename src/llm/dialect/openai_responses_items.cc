#include "openai_responses.h"

namespace loom::llm::responses {

namespace {

/// One part as it stands, before its type is known: members come in any order.
struct RawPart {
    Text type, text, refusal, image_url, file_id, file_data, file_url, filename, detail;
    Text audio_data, audio_format;
    Json annotations;
    Json logprobs;
};

bool read_audio(Reading& reading, RawPart& raw) {
    if (reading.cursor.peek() != '{') return reading.refuse("input", "input_audio must be an object");
    return reading.cursor.each_member([&](Range key) {
        const std::string_view name = reading.name_of(key);
        if (name == "data") return reading.take(raw.audio_data, "input");
        if (name == "format") return reading.take(raw.audio_format, "input");
        return reading.lose("input[].content[].input_audio.", name);
    });
}

struct PartField {
    std::string_view name;
    Text RawPart::* text;
};
constexpr PartField part_fields[] = {
    {"type", &RawPart::type},           {"text", &RawPart::text},         {"refusal", &RawPart::refusal},
    {"image_url", &RawPart::image_url}, {"file_id", &RawPart::file_id},   {"file_data", &RawPart::file_data},
    {"file_url", &RawPart::file_url},   {"filename", &RawPart::filename}, {"detail", &RawPart::detail},
};

bool read_raw_part(Reading& reading, RawPart& raw) {
    if (reading.cursor.peek() != '{') return reading.refuse("input", "a content part must be an object");
    return reading.cursor.each_member([&](Range key) {
        const std::string_view name = reading.name_of(key);
        for (const PartField& field : part_fields)
            if (field.name == name) return reading.take(raw.*field.text, "input");
        if (name == "input_audio") return read_audio(reading, raw);
        if (name == "annotations") return take_json(reading.cursor, raw.annotations);
        if (name == "logprobs") return take_json(reading.cursor, raw.logprobs);
        return reading.lose("input[].content[].", name);
    });
}

Media image_of(const RawPart& raw) {
    Media media{.detail = raw.detail};
    if (has(raw.file_id)) {
        media.source = Media::Source::file_id;
        media.data = raw.file_id;
    } else if (!split_data_url(raw.image_url, media)) {
        media.source = Media::Source::url;
        media.data = raw.image_url;
    }
    return media;
}

Media file_of(const RawPart& raw) {
    Media media{.name = raw.filename};
    if (has(raw.file_id)) {
        media.source = Media::Source::file_id;
        media.data = raw.file_id;
    } else if (has(raw.file_url)) {
        media.source = Media::Source::url;
        media.data = raw.file_url;
    } else if (!split_data_url(raw.file_data, media)) {
        media.source = Media::Source::base64;
        media.data = raw.file_data;
    }
    return media;
}

Media audio_of(const RawPart& raw) {
    const Text type = raw.audio_format == "mp3"   ? Text("audio/mpeg")
                      : raw.audio_format == "wav" ? Text("audio/wav")
                                                  : Text();
    return {.source = Media::Source::base64, .data = raw.audio_data, .media_type = type};
}

bool is_empty_list(Json array) noexcept { return array.find('{') == array.npos; }

/// The part that a raw one is; false for a type that nobody has here.
bool part_of(const RawPart& raw, Part& part) {
    const std::string_view type = raw.type;
    if (type == "input_text" || type == "output_text" || type == "text") {
        part.text = has(raw.text) ? raw.text : Text("");
        if (has(raw.annotations) && !is_empty_list(raw.annotations)) part.citations = raw.annotations;
    } else if (type == "refusal") {
        part.kind = Part::Kind::refusal;
        part.text = has(raw.refusal) ? raw.refusal : Text("");
    } else if (type == "input_image") {
        part.kind = Part::Kind::image;
        part.media = image_of(raw);
    } else if (type == "input_file") {
        part.kind = Part::Kind::file;
        part.media = file_of(raw);
    } else if (type == "input_audio") {
        part.kind = Part::Kind::audio;
        part.media = audio_of(raw);
    } else if (type == "summary_text" || type == "reasoning_text") {
        part.kind = Part::Kind::thinking;
        part.text = has(raw.text) ? raw.text : Text("");
    } else {
        return false;
    }
    return true;
}

bool is_media(const Part& part) noexcept {
    return part.kind == Part::Kind::image || part.kind == Part::Kind::file || part.kind == Part::Kind::audio;
}

bool read_parts(Reading& reading, ArenaList<Part>& parts, Json* logprobs) {
    return reading.cursor.each_element([&] {
        const uint32_t offset = reading.cursor.offset();
        RawPart raw;
        if (!read_raw_part(reading, raw)) return false;
        Part part;
        if (!part_of(raw, part) && reading.is_answer) {
            reading.context.losses.add("output[].content[].type");
            return true;
        }
        if (!part_of(raw, part)) {
            reading.context.error_param = "input";
            reading.code = Errc::unsupported;
            return reading.cursor.fail_at(offset, "the type of this content part is not known");
        }
        if (is_media(part) && !has(part.media.data)) {
            reading.context.error_param = "input";
            return reading.cursor.fail_at(offset, "this content part has no data, URL or file_id");
        }
        const bool is_detailed = part.kind == Part::Kind::file && has(raw.detail) && raw.detail != "auto";
        if (is_detailed && !reading.is_answer) reading.context.losses.add("input[].content[].detail");
        if (logprobs != nullptr && has(raw.logprobs) && !is_empty_list(raw.logprobs)) *logprobs = raw.logprobs;
        parts.add(reading.context.arena, part);
        return true;
    });
}

/// A result: text, parts, or (a shell's) a list of another shape.
bool read_output(Reading& reading, Item& item) {
    Cursor ahead = reading.cursor;
    bool is_parts = ahead.peek() == '"';
    if (ahead.peek() == '[') {
        const std::string_view list = [&] {
            Range range;
            return ahead.skip_value(range) ? text_of(ahead.text(), range) : std::string_view();
        }();
        is_parts = list.find("\"input_text\"") != list.npos || list.find("\"input_image\"") != list.npos ||
                   list.find("\"input_file\"") != list.npos || list.find("\"output_text\"") != list.npos;
    }
    return is_parts ? read_content(reading, item.output, nullptr) : take_json(reading.cursor, item.output_json);
}

struct ItemField {
    std::string_view name;
    Text Item::* text;
};
constexpr ItemField item_fields[] = {
    {"type", &Item::type},       {"role", &Item::role},
    {"id", &Item::id},           {"name", &Item::name},
    {"call_id", &Item::call_id}, {"arguments", &Item::arguments},
    {"input", &Item::input},     {"encrypted_content", &Item::encrypted},
};

/// The model itself, which is everyone's: not told. Else a program that the provider runs.
bool read_caller(Reading& reading) {
    Cursor ahead = reading.cursor;
    Json caller;
    const bool is_direct = take_json(ahead, caller) && caller.find("\"direct\"") != caller.npos;
    return is_direct ? reading.cursor.skip_value() : reading.lose("input[].", "caller");
}

bool read_item_member(Reading& reading, std::string_view name, Item& item) {
    for (const ItemField& field : item_fields)
        if (field.name == name) return reading.take(item.*field.text, "input");
    if (name == "content") return read_content(reading, item.content, &item.logprobs);
    if (name == "summary") return read_content(reading, item.summary, nullptr);
    if (name == "output") return read_output(reading, item);
    if (name == "action" || name == "operation") return take_json(reading.cursor, item.action);
    if (name == "caller") return read_caller(reading);
    if (name == "status") return reading.cursor.skip_value();  // of an item that is history, or in a whole answer
    return reading.lose("input[].", name);
}

Part call_of(const Item& item, Reading& reading) {
    Part part{.kind = Part::Kind::tool_call};
    part.tool_id = has(item.call_id) ? item.call_id : item.id;
    part.tool_name = item.name;
    part.signature = std::exchange(reading.call_signature, {});
    return part;
}

/// Its text, its proof, or the proof of the call behind it.
void add_reasoning(Reading& reading, const Item& item, ArenaList<Part>& parts) {
    Context& context = reading.context;
    Part part{.kind = Part::Kind::thinking};
    const ArenaList<Part>& shown = item.summary.empty() ? item.content : item.summary;
    ArenaList<Part> texts;
    for (const Part& one : shown) texts.add(context.arena, {.text = one.text});
    part.text = texts.empty() ? Text("") : joined_text(texts, "\\n\\n", context.arena);
    if (has(item.encrypted) && !item.encrypted.empty()) {
        const std::optional<Sealed> seal = unsealed(item.encrypted, context.terms.provider);
        if (!seal) {
            context.losses.add("input[].encrypted_content");
        } else if (seal->seal == Seal::call) {
            reading.call_signature = seal->opaque;
            if (part.text.empty()) return;
        } else if (seal->seal == Seal::redacted) {
            parts.add(context.arena, {.kind = Part::Kind::redacted_thinking, .text = seal->opaque});
            return;
        } else {
            part.signature = context.terms.provider == Protocol::openai_responses
                                 ? sealed(*seal, Protocol::openai_responses, context.arena)
                                 : seal->opaque;
        }
    }
    if (!part.text.empty() || has(part.signature)) parts.add(context.arena, part);
}

}  // namespace

bool read_content(Reading& reading, ArenaList<Part>& parts, Json* logprobs) {
    if (reading.cursor.is_null()) return reading.cursor.skip_value();
    if (reading.cursor.peek() == '[') return read_parts(reading, parts, logprobs);
    Part part;
    if (!reading.take(part.text, "input")) return false;
    parts.add(reading.context.arena, part);
    return true;
}

bool read_item(Reading& reading, Item& item) {
    item.offset = reading.cursor.offset();
    if (reading.cursor.peek() != '{') return reading.refuse("input", "an item must be an object");
    if (!reading.cursor.each_member([&](Range key) { return read_item_member(reading, reading.name_of(key), item); }))
        return false;
    if (!has(item.type) && has(item.role)) item.type = "message";
    if (!has(item.type) && has(item.id)) item.type = "item_reference";
    return true;
}

bool add_assistant_parts(Reading& reading, const Item& item, ArenaList<Part>& parts) {
    Arena& arena = reading.context.arena;
    if (item.type == "message") {
        for (const Part& part : item.content) parts.add(arena, part);
    } else if (item.type == "reasoning") {
        add_reasoning(reading, item, parts);
    } else if (item.type == "function_call") {
        Part call = call_of(item, reading);
        call.arguments_text = has(item.arguments) ? item.arguments : Text("");
        parts.add(arena, call);
    } else if (item.type == "custom_tool_call") {
        Part call = call_of(item, reading);
        call.arguments_text = wrapped_input(has(item.input) ? item.input : Text(""), arena);
        parts.add(arena, call);
    } else if (item.type == "local_shell_call" || item.type == "shell_call" || item.type == "apply_patch_call") {
        Part call = call_of(item, reading);
        call.tool_name = item.type.substr(0, item.type.size() - std::string_view("_call").size());
        call.arguments = has(item.action) ? item.action : Json("{}");
        parts.add(arena, call);
    } else {
        return false;
    }
    return true;
}

}  // namespace loom::llm::responses
