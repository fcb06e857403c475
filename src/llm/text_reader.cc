#include "loom/llm/text_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "loom/base/assert.h"

namespace loom::llm {

namespace {

using Kind = TextRun::Kind;
using Border = TextRun::Border;

constexpr size_t name_bytes_max = 48;        // of those that are told apart
constexpr size_t steering_bytes_max = 1024;  // of a value that steers
constexpr size_t address_bytes_max = 8192;
constexpr size_t sealed_bytes_min = 1536;  // longer than any key that could be found in such a run
constexpr size_t number_bytes_max = 64;
constexpr uint32_t tool_depth = 3;  // of an element's members in a list that the document itself has

/// Between two texts: of no word, number or address, and no blank.
constexpr std::string_view text_sign = "\x1e";

/// Values that steer: of OpenAI's chat, completions and Responses, Anthropic's messages, Gemini's contents, their kin.
constexpr std::string_view steering_names[] = {
    "anthropic_version",
    "cache_control",
    "call_id",
    "container",
    "conversation",
    "detail",
    "encoding_format",
    "file_id",
    "format",
    "id",
    "include",
    "media_type",
    "mimeType",
    "mime_type",
    "modalities",
    "model",
    "name",
    "object",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning_effort",
    "role",
    "service_tier",
    "signature",
    "encrypted_content",
    "status",
    "thoughtSignature",
    "thought_signature",
    "tool_call_id",
    "tool_choice",
    "tool_use_id",
    "type",
    "voice",
};
constexpr std::string_view address_names[] = {"url",      "image_url", "fileUri",   "file_uri",
                                              "file_url", "uri",       "server_url"};
/// Of a tool or a server of tools: whom the provider has to be there, which no model reads.
constexpr std::string_view credential_names[] = {"authorization", "authorization_token", "headers"};
/// Whose values may be media, or sealed for the provider alone, without saying so.
constexpr std::string_view sealed_names[] = {
    "b64_json", "data",      "encrypted_content", "file_data",         "image_url", "partial_image_b64",
    "result",   "signature", "thoughtSignature",  "thought_signature", "url",
};
/// Whose string is a document.
constexpr std::string_view json_names[] = {"args", "arguments", "input", "partial_json"};
/// Whose object's members are a tool's or a client's own.
constexpr std::string_view free_names[] = {
    "$defs",
    "args",
    "arguments",
    "context",
    "data",
    "definitions",
    "extra_body",
    "input",
    "input_schema",
    "inputSchema",
    "json",
    "json_schema",
    "labels",
    "metadata",
    "output",
    "parameters",
    "parametersJsonSchema",
    "properties",
    "response",
    "responseSchema",
    "responseJsonSchema",
    "result",
    "schema",
    "state",
    "structuredContent",
    "variables",
};

/// What a member's name says of its value.
enum NameUse : uint8_t {
    use_steers = 1,
    use_addresses = 2,
    use_conceals = 4,
    use_seals = 8,
    use_is_json = 16,
    use_opens_free = 32,
    use_of_tools = 64,  // of a member of the document itself
    use_is_text = 128
};

/// All of these names in one table: each member's is looked up once.
struct NameTable {
    static constexpr size_t bucket_count = 256;
    static constexpr size_t names_max = 96;
    std::array<std::string_view, names_max> names{};
    std::array<uint8_t, names_max> uses{};
    std::array<uint8_t, bucket_count + 1> first{};  // of a bucket, in names

    static constexpr size_t bucket_of(std::string_view name) noexcept {
        if (name.empty()) return 0;
        const auto at = [name](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(name[i])); };
        return (name.size() * 29 + at(0) * 7 + at(name.size() - 1) * 3 + at(name.size() / 2)) % bucket_count;
    }
    [[nodiscard]] uint8_t uses_of(std::string_view name) const noexcept {
        const size_t bucket = bucket_of(name);
        for (size_t i = first[bucket]; i < first[bucket + 1]; ++i)
            if (names[i] == name) return uses[i];
        return 0;
    }
};
constexpr NameTable name_table = [] {
    std::array<std::string_view, NameTable::names_max> names{};
    std::array<uint8_t, NameTable::names_max> uses{};
    size_t count = 0;
    const auto add = [&](std::span<const std::string_view> more, uint8_t use) {
        for (const std::string_view name : more) {
            size_t i = 0;
            while (i < count && names[i] != name) i += 1;
            if (i == count) names[count++] = name;
            uses[i] |= use;
        }
    };
    constexpr std::string_view tools[] = {"tools", "mcp_servers"}, text[] = {"text"};
    add(steering_names, use_steers);
    add(address_names, use_addresses);
    add(credential_names, use_conceals);
    add(sealed_names, use_seals);
    add(json_names, use_is_json);
    add(free_names, use_opens_free);
    add(tools, use_of_tools);
    add(text, use_is_text);
    std::array<size_t, NameTable::names_max> bucket_of{};
    for (size_t i = 0; i < count; ++i) bucket_of[i] = NameTable::bucket_of(names[i]);
    NameTable table;
    size_t next = 0;
    for (size_t bucket = 0; bucket < NameTable::bucket_count; ++bucket) {
        table.first[bucket] = static_cast<uint8_t>(next);
        for (size_t i = 0; i < count; ++i) {
            if (bucket_of[i] != bucket) continue;
            table.names[next] = names[i];
            table.uses[next++] = uses[i];
        }
    }
    table.first[NameTable::bucket_count] = static_cast<uint8_t>(next);
    return table;
}();

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_alnum(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
constexpr bool is_base64(char c) noexcept {
    return is_alnum(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
}
constexpr bool is_of_media_type(char c) noexcept {
    return is_alnum(c) || c == '.' || c == '+' || c == '/' || c == ';' || c == '=' || c == '-';
}
constexpr bool is_steering(char c) noexcept { return is_base64(c) || c == '.' || c == ':'; }
constexpr bool is_of_number(char c) noexcept {
    return is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}
constexpr int hex_value(char c) noexcept {
    if (is_digit(c)) return c - '0';
    const char small = static_cast<char>(c | 0x20);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/// A name as it is meant; one that is longer than those that are told apart is "".
std::string_view coded_name_at(std::string_view text, std::array<char, name_bytes_max>& out) noexcept {
    size_t size = 0;
    for (size_t at = 0; at < text.size() && size < out.size(); ++size) {
        if (text[at] == '"') return {out.data(), size};
        if (text[at] != '\\') {
            out[size] = text[at++];
            continue;
        }
        if (text.size() - at < 6 || text[at + 1] != 'u') return {};
        int code = 0;
        for (size_t i = 2; i < 6; ++i) code = code * 16 + hex_value(text[at + i]);
        if (code <= 0 || code >= 0x80) return {};
        out[size] = static_cast<char>(code);
        at += 6;
    }
    return {};
}

/// The same. end  where its quote is, if no escape stands before it.
std::string_view name_at(std::string_view text, std::array<char, name_bytes_max>& out, size_t& end) noexcept {
    const size_t size = std::min(text.size(), name_bytes_max);
    for (size_t at = 0; at < size && text[at] != '\\'; ++at) {
        if (text[at] != '"') continue;
        end = at;
        return text.substr(0, at);
    }
    return coded_name_at(text, out);
}

/// Of the string that begins here: "data:image/png;base64,". 0 where it begins with anything else.
size_t media_type_bytes(std::string_view text) noexcept {
    constexpr size_t media_type_max = 128;
    constexpr std::string_view scheme = "data:", base64_sign = ";base64,";
    if (!text.starts_with(scheme)) return 0;
    const size_t sign_at = text.substr(0, media_type_max).find(base64_sign);
    if (sign_at == text.npos) return 0;
    const bool well_formed = std::ranges::all_of(text.substr(0, sign_at).substr(scheme.size()), is_of_media_type);
    return well_formed ? sign_at + base64_sign.size() : 0;
}

}  // namespace

uint32_t TextWindow::run_of(uint32_t at) const noexcept {
    const auto used = runs.first(run_count);
    const auto behind = std::ranges::upper_bound(used, at, {}, &TextRun::at);
    LOOM_ASSERT(behind != used.begin());
    return static_cast<uint32_t>(behind - used.begin()) - 1;
}

uint32_t TextWindow::from(uint32_t run, uint32_t at) const noexcept {
    const TextRun& of = runs[run];
    return of.coded_bytes > 0 ? of.from : of.from + (at - of.at);
}

uint32_t TextWindow::from_end(uint32_t run, uint32_t end) const noexcept {
    const TextRun& of = runs[run];
    return of.coded_bytes > 0 ? of.from + of.coded_bytes : of.from + (end - of.at);
}

void TextWindow::forget(uint32_t count) noexcept {
    LOOM_ASSERT(count <= size);
    if (count == 0) return;
    std::memmove(bytes.data(), bytes.data() + count, size - count);
    size -= count;
    if (size == 0) {
        run_count = 0;
        return;
    }
    const uint32_t first = run_of(count);
    TextRun& cut = runs[first];
    if (cut.at < count) {
        if (cut.coded_bytes == 0) cut.from += count - cut.at;
        cut.at = count;
        cut.border = Border::none;
    }
    std::copy(runs.begin() + first, runs.begin() + run_count, runs.begin());
    run_count -= first;
    for (TextRun& run : runs.first(run_count)) run.at -= count;
}

TextReader::TextReader(std::string_view document, Parts parts) noexcept : text_(document), parts_(parts) {
    levels_[0] = {.in_array = true, .element = 1};
}

void TextReader::begin_again(Parts parts) noexcept {
    parts_ = parts;
    at_ = value_begin_ = 0;
    string_end_ = {};
    mode_ = Mode::outside;
    has_parts_ = slash_ = false;
    depth_ = beyond_ = 0;
    levels_[0] = {.in_array = true, .element = 1};
    string_ = {};
}

bool TextReader::fill(TextWindow& window, size_t bytes) noexcept {
    const size_t stop = std::min(text_.size(), at_ + bytes);
    const auto has_room = [&] {
        return window.size + slack_bytes <= window.bytes.size() && window.run_count + slack_runs <= window.runs.size();
    };
    while (at_ < stop && has_room()) {
        switch (mode_) {
            case Mode::outside: step(window); break;
            case Mode::string: read_string(window, stop); break;
            case Mode::skipped: skip_string(stop); break;
            case Mode::sealed: check_sealed(window, stop); break;
        }
    }
    return at_ < text_.size();
}

/// One byte outside of the document's strings.
void TextReader::step(TextWindow& window) noexcept {
    Level& level = levels_[depth_];
    const char c = text_[at_++];
    switch (c) {
        case '{':
        case '[': return open(c);
        case '}':
        case ']': return close();
        case ',':
            level.expects_name = !level.in_array;
            level.element += 1;
            return;
        case '"': value_begin_ = at_; return level.expects_name ? begin_name(window) : begin_value(window);
        default:
            if (level.is_free && (is_digit(c) || c == '-')) take_number(window);
    }
}

void TextReader::open(char bracket) noexcept {
    if (depth_ == depth_max) {
        beyond_ += 1;
        return;
    }
    const Level& outer = levels_[depth_];
    const bool is_free = outer.is_free || (outer.opens_free && bracket == '{');
    const bool in_array = bracket == '[';
    // What steers may be a list of such.
    const bool steers = in_array && outer.steers, addresses = in_array && outer.addresses;
    const bool of_tools = outer.of_tools && depth_ < tool_depth && in_array == (depth_ + 2 == tool_depth);
    const bool conceals = outer.conceals && !in_array && depth_ == tool_depth;
    levels_[++depth_] = {.in_array = in_array,
                         .expects_name = !in_array,
                         .is_free = is_free,
                         .steers = steers,
                         .addresses = addresses,
                         .of_tools = of_tools,
                         .conceals = conceals,
                         .is_given = outer.is_given || outer.gives,
                         .element = 1};
}

void TextReader::close() noexcept {
    if (beyond_ > 0)
        beyond_ -= 1;
    else if (depth_ > 0)
        depth_ -= 1;
}

void TextReader::begin_name(TextWindow& window) noexcept {
    Level& level = levels_[depth_];
    std::array<char, name_bytes_max> room;
    size_t end = 0;
    const std::string_view name = name_at(text_.substr(at_, 6 * name_bytes_max), room, end);
    const uint8_t uses = name_table.uses_of(name);
    const auto is = [uses](NameUse use) { return (uses & use) != 0; };
    level.expects_name = false;
    level.opens_free = is(use_opens_free);
    level.steers = !level.is_free && is(use_steers);
    level.addresses = !level.is_free && is(use_addresses);
    level.seals = !level.is_free && is(use_seals);
    if (depth_ == 1) level.of_tools = is(use_of_tools);
    if (level.of_tools && depth_ == tool_depth) level.conceals = is(use_conceals);
    level.is_text = is(use_is_text);
    level.gives = is(use_is_json);
    level.is_json = false;  // of the name itself
    if (!level.is_free) {
        level.is_json = is(use_is_json);
        if (end == 0) return skip();
        at_ += end + 1;
        return;
    }
    sign(window, "\x1e\"", Border::text);
    string_end_ = "\":";
    begin_string(window);
}

/// A string that steers has the signs of a name; what has others is read. Where it ends; 0: it is none.
size_t TextReader::name_like_end() const noexcept {
    const size_t stop = std::min(text_.size(), value_begin_ + steering_bytes_max);
    for (size_t at = value_begin_; at < stop; ++at) {
        if (text_[at] == '"') return at;
        if (!is_steering(text_[at])) return 0;
    }
    return 0;
}

/// One that holds a '<' is read: who shows it as HTML may read a tag there.
bool TextReader::is_address() const noexcept {
    const std::string_view text = text_.substr(value_begin_, address_bytes_max);
    constexpr std::string_view schemes[] = {"https://", "http://", "gs://", "s3://"};
    if (std::ranges::none_of(schemes, [text](std::string_view scheme) { return text.starts_with(scheme); }))
        return false;
    for (const char c : text) {
        if (c == '"') return true;
        if (c <= ' ' || c == '\\' || c == '<') return false;
    }
    return false;
}

void TextReader::begin_value(TextWindow& window) noexcept {
    const Level& level = levels_[depth_];
    if (level.conceals && depth_ >= tool_depth) return skip();
    if (const size_t end = level.steers ? name_like_end() : 0; end != 0) {
        at_ = end + 1;
        return;
    }
    if (level.addresses && is_address()) return skip();
    // Media says what it is, or stands where media does: any other text is read, however long its words are.
    const size_t media = media_type_bytes(text_.substr(at_));
    if (media == 0 && !level.seals) return begin_string(window);
    const size_t begin = at_ + media;
    const std::string_view first = text_.substr(begin, sealed_bytes_min);
    if (first.size() == sealed_bytes_min && std::ranges::all_of(first, is_base64)) {
        at_ = begin;
        mode_ = Mode::sealed;
        return;
    }
    begin_string(window);
}

/// A long run of Base64 alone is nothing that is read; where anything else stands in it, it is read from its beginning.
void TextReader::check_sealed(TextWindow& window, size_t stop) noexcept {
    while (at_ < stop && is_base64(text_[at_])) at_ += 1;
    if (at_ == stop) return;
    if (text_[at_] == '"') {
        at_ += 1;
        mode_ = Mode::outside;
        return;
    }
    at_ = value_begin_;
    begin_string(window);
}

Border TextReader::border_of_value() noexcept {
    const Level& level = levels_[depth_];
    if (!level.is_text || level.in_array || depth_ == 0 || !levels_[depth_ - 1].in_array) return Border::text;
    Level& parts = levels_[depth_ - 1];
    const bool follows = parts.part != 0 && parts.part + 1 == parts.element;
    parts.part = parts.element;
    has_parts_ |= follows;
    return follows ? Border::part : Border::text;
}

/// at_ is behind the quote. Names have their sign before them.
void TextReader::begin_string(TextWindow& window) noexcept {
    mode_ = Mode::string;
    const Level& level = levels_[depth_];
    const bool is_name = !string_end_.empty();
    string_.begin(level.is_json, is_name || level.gives || level.is_given);
    if (is_name) return;
    const Border border = border_of_value();
    if (border == Border::part && parts_ != Parts::apart) {
        if (parts_ == Parts::with_blank)
            sign(window, " ", Border::part);
        else
            string_.expect(Border::part);
        return;
    }
    if (!level.is_free) return sign(window, text_sign, border);
    sign(window, level.in_array ? "\x1e\"" : "\"", border);
    string_end_ = "\"";
}

/// In the open. What has no digits behind its point counts as whole; then it is one number all the same.
void TextReader::take_number(TextWindow& window) noexcept {
    const size_t begin = at_ - 1;
    size_t end = at_;
    while (end < text_.size() && end - begin < number_bytes_max && is_of_number(text_[end])) end += 1;
    at_ = end;
    size_t first = begin;
    if (text_[first] == '-') first += 1;
    size_t last = first;
    while (last < end && is_digit(text_[last])) last += 1;
    const std::string_view rest = text_.substr(last, end - last);
    const bool is_whole = rest.starts_with('.') && rest.find_first_not_of('0', 1) == rest.npos;
    if (!is_whole) last = end;
    if (last == first) return;
    sign(window, text_sign, Border::text);
    for (size_t i = first; i < last; ++i) {
        const size_t from = i == first ? begin : i, behind = i + 1 == last ? end : i + 1;
        string_.emit(window, text_[i], {static_cast<uint32_t>(from), static_cast<uint32_t>(behind)}, Kind::bare, 0);
    }
    sign(window, text_sign, Border::none);
}

void TextReader::skip() noexcept {
    mode_ = Mode::skipped;
    slash_ = false;
}

void TextReader::skip_string(size_t stop) noexcept {
    for (; at_ < stop; ++at_) {
        if (std::exchange(slash_, false)) continue;
        if (text_[at_] == '\\') slash_ = true;
        if (text_[at_] != '"') continue;
        at_ += 1;
        mode_ = Mode::outside;
        return;
    }
}

void TextReader::read_string(TextWindow& window, size_t stop) noexcept {
    if (string_.is_plain()) {
        const size_t room = window.bytes.size() - window.size - slack_bytes + 1;
        std::string_view piece = text_.substr(at_, std::min(stop - at_, room));
        piece = piece.substr(0, piece.find('"'));
        piece = piece.substr(0, piece.find('\\'));
        if (!piece.empty()) {
            string_.copy(window, piece, static_cast<uint32_t>(at_));
            at_ += piece.size();
            return;
        }
    }
    const char c = text_[at_];
    const size_t at = at_++;
    if (c == '"' && !string_.escapes_next()) return end_string(window);
    string_.put(window, c, static_cast<uint32_t>(at));
}

void TextReader::end_string(TextWindow& window) noexcept {
    string_.end(window);
    if (!string_end_.empty()) sign(window, std::exchange(string_end_, {}), Border::none);
    mode_ = Mode::outside;
}

void TextReader::sign(TextWindow& window, std::string_view bytes, Border border) noexcept {
    window.runs[window.run_count++] = {.at = window.size, .kind = Kind::sign, .border = border};
    std::ranges::copy(bytes, window.bytes.begin() + window.size);
    window.size += static_cast<uint32_t>(bytes.size());
}

}  // namespace loom::llm
