#include "gemini_grounding_writer.h"

#include <algorithm>
#include <utility>

namespace loom::llm::gemini {

namespace {

void add_text(std::string& object, std::string_view name, Text inside) {
    if (inside.empty()) return;
    if (!object.ends_with('{')) object += ',';
    object.append("\"").append(name).append("\":\"").append(inside).append("\"");
}

/// A GroundingChunk; empty for what is neither a page nor a document that has a name or a text.
std::string chunk_of(const Citation& citation) {
    std::string chunk = R"({"web":{)";
    if (citation.kind == Citation::Kind::url) {
        add_text(chunk, "uri", citation.url);
        add_text(chunk, "title", citation.title);
    } else if (citation.kind == Citation::Kind::document) {
        chunk = R"({"retrievedContext":{)";
        add_text(chunk, "uri", citation.source);
        add_text(chunk, "title", citation.title);
        add_text(chunk, "text", citation.cited_text);
        const bool is_named = !chunk.ends_with('{');
        if (is_named && has(citation.page)) chunk.append(R"(,"pageNumber":)").append(citation.page);
    }
    return chunk.ends_with('{') ? std::string() : chunk + "}}";
}

}  // namespace

void GroundingWriter::begin_part(uint32_t index) {
    text_.clear();
    text_begin_ = 0;
    part_ = index;
}

void GroundingWriter::append(Text inside) {
    if (!is_cut_) text_.append(inside);
}

void GroundingWriter::cut() {
    is_cut_ = true;
    text_ = {};
}

uint32_t GroundingWriter::number_of(const std::string& chunk) {
    const auto [at, is_new] = numbers_.emplace(chunk, static_cast<uint32_t>(chunks_.size()));
    if (is_new) chunks_.push_back(at->first);
    if (is_new) cited_bytes_ += chunk.size();
    return at->second;
}

void GroundingWriter::add(Json citation, Context& context) {
    Citation read;
    const std::string chunk = read_citation(citation, context, read) ? chunk_of(read) : std::string();
    if (chunk.empty() || is_cut_ || cited_bytes_ + chunk.size() > cited_bytes_max)
        return context.losses.add("citations");
    support(read.span.value_or(Span{0, text_.count() - text_begin_}), number_of(chunk));
}

/// Of what has no place in the text its source is told alone.
void GroundingWriter::support(Span span, uint32_t chunk) {
    const PlacedText::Place begin = text_.find(text_begin_ + span.begin), end = text_.find(text_begin_ + span.end);
    if (begin.at >= end.at) return;
    const bool is_again = !supports_.empty() && supports_.back().part == part_ &&
                          supports_.back().begin == begin.bytes && supports_.back().end == end.bytes;
    if (!is_again) {
        const Text text = text_.inside().substr(begin.at, end.at - begin.at);
        // A text that is too long to be told again stands where its place says.
        const bool has_room = cited_bytes_ + text.size() <= cited_bytes_max;
        if (has_room) cited_bytes_ += text.size();
        supports_.push_back({part_, begin.bytes, end.bytes, std::string(has_room ? text : Text()), {}});
    }
    std::vector<uint32_t>& chunks = supports_.back().chunks;
    cited_bytes_ += sizeof(Support);
    if (std::ranges::find(chunks, chunk) == chunks.end()) chunks.push_back(chunk);
}

void GroundingWriter::write(JsonOut& json) const {
    if (empty()) return;
    json.key("groundingMetadata");
    json.open_object();
    json.key("groundingChunks");
    json.open_array();
    for (const std::string_view chunk : chunks_) json.json(chunk);
    json.close_array();
    if (!supports_.empty()) json.key("groundingSupports");
    if (!supports_.empty()) json.open_array();
    for (const Support& support : supports_) {
        json.open_object();
        json.key("segment");
        json.open_object();
        if (support.part > 0) json.member_number("partIndex", support.part);
        json.member_number("startIndex", support.begin);
        json.member_number("endIndex", support.end);
        if (!support.text.empty()) json.member("text", std::string_view(support.text));
        json.close_object();
        json.key("groundingChunkIndices");
        json.open_array();
        for (const uint32_t chunk : support.chunks) json.number(chunk);
        json.close_array();
        json.close_object();
    }
    if (!supports_.empty()) json.close_array();
    json.close_object();
}

}  // namespace loom::llm::gemini
