#include <algorithm>
#include <array>

#include "embed_hub.h"

namespace loom::llm {

namespace {

struct Row {
    EmbedTask task;
    std::string_view gemini;
    std::string_view cohere;
    bool exact;  // is Cohere's word the same, or the nearest?
};
constexpr std::array<Row, 8> rows = {{
    {EmbedTask::query, "RETRIEVAL_QUERY", "search_query", true},
    {EmbedTask::document, "RETRIEVAL_DOCUMENT", "search_document", true},
    {EmbedTask::classification, "CLASSIFICATION", "classification", true},
    {EmbedTask::clustering, "CLUSTERING", "clustering", true},
    {EmbedTask::similarity, "SEMANTIC_SIMILARITY", "clustering", false},
    {EmbedTask::question_answering, "QUESTION_ANSWERING", "search_query", false},
    {EmbedTask::fact_verification, "FACT_VERIFICATION", "search_query", false},
    {EmbedTask::code_query, "CODE_RETRIEVAL_QUERY", "search_query", false},
}};

const Row* row_of(EmbedTask task) noexcept {
    const auto* const row = std::ranges::find(rows, task, &Row::task);
    return row != rows.end() ? row : nullptr;
}

}  // namespace

EmbedTask task_of_gemini(Text word) noexcept {
    const auto* const row = std::ranges::find(rows, word, &Row::gemini);
    return row != rows.end() ? row->task : EmbedTask::unset;
}

EmbedTask task_of_cohere(Text word) noexcept {
    const auto* const row = std::ranges::find(rows, word, &Row::cohere);
    return row != rows.end() ? row->task : EmbedTask::unset;
}

std::string_view gemini_task(EmbedTask task) noexcept {
    const Row* const row = row_of(task);
    return row != nullptr ? row->gemini : std::string_view();
}

std::string_view cohere_task(EmbedTask task) noexcept {
    const Row* const row = row_of(task);
    return row != nullptr ? row->cohere : "search_document";
}

bool cohere_knows(EmbedTask task) noexcept {
    const Row* const row = row_of(task);
    return row == nullptr || row->exact;
}

Result<void> require_texts(const EmbeddingRequest& request, Context& context) {
    for (const EmbeddingInput& input : request.inputs) {
        if (has(input.text)) continue;
        context.error_param = "input";
        return fail(Errc::unsupported, Side::downstream, "tokens of another model's: send the text");
    }
    return {};
}

Result<void> require_one(const EmbeddingRequest& request, Context& context) {
    if (request.inputs.count() == 1) return {};
    context.error_param = "input";
    return fail(Errc::unsupported, Side::downstream, "this model embeds one text a request: send them one by one");
}

}  // namespace loom::llm
