#include "loom/llm/models.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>

#include "loom/llm/json_text.h"

namespace loom::llm {

namespace {

void append_padded(int64_t value, size_t digits, std::string& out) {
    const std::string text = std::to_string(value);
    out.append(digits > text.size() ? digits - text.size() : 0, '0');
    out += text;
}

/// "2025-05-14T00:00:00Z". A time that the format has no year for is the epoch, as for one that is not known.
void write_time(int64_t seconds, std::string& out) {
    constexpr int64_t end = 253402300800;  // of the year 9999
    if (seconds < 0 || seconds >= end) seconds = 0;
    const std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    out += '"';
    append_padded(static_cast<int>(date.year()), 4, out);
    out += '-';
    append_padded(static_cast<unsigned>(date.month()), 2, out);
    out += '-';
    append_padded(static_cast<unsigned>(date.day()), 2, out);
    out += 'T';
    append_padded(clock.hours().count(), 2, out);
    out += ':';
    append_padded(clock.minutes().count(), 2, out);
    out += ':';
    append_padded(clock.seconds().count(), 2, out);
    out += "Z\"";
}

void write_anthropic_model(std::string& out, const ModelEntry& model) {
    out += R"({"type":"model","id":)";
    quote(model.id, out);
    out += R"(,"display_name":)";
    quote(model.id, out);
    out += R"(,"created_at":)";
    write_time(model.created, out);
    out += '}';
}

void write_gemini_model(std::string& out, const ModelEntry& model) {
    out += R"({"name":"models/)";
    escape(model.id, out);
    out += R"(","displayName":)";
    quote(model.id, out);
    out += R"(,"supportedGenerationMethods":)";
    out += model.is_embedding ? R"(["embedContent"])" : R"(["generateContent","streamGenerateContent","countTokens"])";
    out += '}';
}

template <class WriteOne>
void write_list(std::string& out, std::span<const ModelEntry> models, WriteOne&& write_one) {
    out += '[';
    for (const ModelEntry& model : models) {
        if (&model != models.data()) out += ',';
        write_one(out, model);
    }
    out += ']';
}

/// A parameter of a query, decoded; nothing where it is missing or broken.
std::optional<std::string> parameter_of(std::string_view query, std::string_view name) {
    while (!query.empty()) {
        const size_t end = std::min(query.find('&'), query.size());
        const std::string_view one = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        if (one.size() <= name.size() || !one.starts_with(name) || one[name.size()] != '=') continue;
        std::string value;
        if (decode_path_id(one.substr(name.size() + 1), value)) return value;
    }
    return std::nullopt;
}

Result<size_t> page_size_of(std::string_view query, std::string_view name, size_t size_default) {
    const std::optional<std::string> text = parameter_of(query, name);
    if (!text) return size_default;
    size_t size = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, size);
    if (error != std::errc() || stop != end || size == 0)
        return fail(Errc::bad_message, Side::downstream, "the size of a page must be a number from 1 to 1000");
    return size;
}

/// Its place in the list.
Result<size_t> find_model(std::span<const ModelEntry> models, std::string_view id) {
    const auto found = std::ranges::find(models, id, &ModelEntry::id);
    if (found == models.end())
        return fail(Errc::bad_message, Side::downstream, "the page begins at a model that is not there: begin anew");
    return static_cast<size_t>(found - models.begin());
}

void write_id(std::string& out, const ModelEntry* model) {
    if (model == nullptr) {
        out += "null";
    } else {
        quote(model->id, out);
    }
}

constexpr size_t page_size_max = 1000;

Result<void> write_anthropic_models(std::string& out, std::string_view query, std::span<const ModelEntry> models) {
    const size_t limit = LOOM_TRY(page_size_of(query, "limit", 20));
    if (limit > page_size_max)
        return fail(Errc::bad_message, Side::downstream, "limit must be a number from 1 to 1000");
    size_t begin = 0, end = models.size();
    const std::optional<std::string> after = parameter_of(query, "after_id");
    const std::optional<std::string> before = parameter_of(query, "before_id");
    if (after) begin = LOOM_TRY(find_model(models, *after)) + 1;
    if (before) end = std::max(begin, LOOM_TRY(find_model(models, *before)));
    const bool has_more = end - begin > limit;
    if (has_more && before) begin = end - limit;
    if (has_more && !before) end = begin + limit;
    const std::span<const ModelEntry> page = models.subspan(begin, end - begin);
    out += R"({"data":)";
    write_list(out, page, write_anthropic_model);
    out += has_more ? R"(,"has_more":true,"first_id":)" : R"(,"has_more":false,"first_id":)";
    write_id(out, page.empty() ? nullptr : &page.front());
    out += R"(,"last_id":)";
    write_id(out, page.empty() ? nullptr : &page.back());
    out += '}';
    return {};
}

Result<void> write_gemini_models(std::string& out, std::string_view query, std::span<const ModelEntry> models) {
    const size_t size = std::min(LOOM_TRY(page_size_of(query, "pageSize", 50)), page_size_max);
    const std::optional<std::string> token = parameter_of(query, "pageToken");
    size_t begin = 0;
    if (token && !token->empty()) begin = LOOM_TRY(find_model(models, *token)) + 1;
    const std::span<const ModelEntry> page = models.subspan(begin, std::min(size, models.size() - begin));
    out += R"({"models":)";
    write_list(out, page, write_gemini_model);
    if (begin + page.size() < models.size()) {
        out += R"(,"nextPageToken":)";
        quote(page.back().id, out);
    }
    out += '}';
    return {};
}

}  // namespace

Result<void> write_models(std::string& out, Protocol protocol, std::string_view query,
                          std::span<const ModelEntry> models) {
    if (protocol == Protocol::anthropic) return write_anthropic_models(out, query, models);
    if (protocol == Protocol::gemini) return write_gemini_models(out, query, models);
    write_models(out, models);
    return {};
}

void write_model(std::string& out, Protocol protocol, const ModelEntry& model) {
    if (protocol == Protocol::anthropic) return write_anthropic_model(out, model);
    if (protocol == Protocol::gemini) return write_gemini_model(out, model);
    write_model(out, model);
}

void write_model(std::string& out, const ModelEntry& model) {
    out += R"({"id":)";
    quote(model.id, out);
    out += R"(,"object":"model","created":)";
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, model.created).ptr);
    out += R"(,"owned_by":)";
    quote(model.owned_by, out);
    out += '}';
}

void write_models(std::string& out, std::span<const ModelEntry> models) {
    out += R"({"object":"list","data":[)";
    for (const ModelEntry& model : models) {
        if (&model != models.data()) out += ',';
        write_model(out, model);
    }
    out += "]}";
}

bool decode_path_id(std::string_view encoded, std::string& out) {
    const size_t before = out.size();
    for (size_t at = 0; at < encoded.size(); ++at) {
        if (encoded[at] != '%') {
            out += encoded[at];
            continue;
        }
        uint8_t byte = 0;
        const char* digits = encoded.data() + at + 1;
        const bool whole = at + 2 < encoded.size();
        if (!whole || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
            out.resize(before);
            return false;
        }
        out += static_cast<char>(byte);
        at += 2;
    }
    return true;
}

}  // namespace loom::llm
