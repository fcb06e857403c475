// Any bytes as a request whose texts guards outside of Loom are told. Of a document: what they are asked is JSON, and
// what is left without a span says the same but for that span.
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guard_edits.h"
#include "guard_questions.h"
#include "guard_texts.h"
#include "loom/base/json.h"

using namespace loom;
using namespace loom::proxy;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

std::vector<std::string> texts_of(BlockPool& pool, std::string_view document) {
    std::vector<std::string> told;
    size_t ended = 0;
    GuardTexts texts(pool, document);
    const auto take = [&](const TextPiece& piece) {
        if (piece.text == told.size()) told.emplace_back();
        require(piece.text + 1 == told.size() && piece.at == told.back().size());
        told.back() += piece.bytes;
    };
    while (texts.read(take, [&](TextRole) { ended += 1; }));
    require(texts.text_count() == told.size() && ended == told.size());
    return told;
}

bool is_document(const std::string& text) {
    static simdjson::dom::parser parser;
    simdjson::dom::object object;
    return parser.parse(simdjson::padded_string(text)).get(object) == simdjson::SUCCESS;
}

void check_questions(BlockPool& pool, const std::string& document, const std::vector<std::string>& told) {
    auto webhook = std::make_shared<ExternalGuardPlan>();
    webhook->text_bytes_max = 1 << 16;
    auto moderations = std::make_shared<ExternalGuardPlan>(*webhook);
    moderations->shape = GuardShape::moderations;
    const std::vector<std::shared_ptr<const ExternalGuardPlan>> guards = {webhook, moderations};
    GuardQuestions questions(pool, guards, document, {.request_id = "id", .consumer = "", .model = ""});
    for (bool more = true; more;) {
        const auto turned = questions.turn();
        if (!turned) return;
        more = *turned;
    }
    if (questions.is_too_large(0)) return;
    require(questions.text_bytes().size() == told.size());
    for (size_t i = 0; i < told.size(); ++i) require(questions.text_bytes()[i] == told[i].size());
    static simdjson::dom::parser parser;
    simdjson::dom::object asked;
    require(parser.parse(simdjson::padded_string(questions.of(0).view())).get(asked) == simdjson::SUCCESS);
    size_t count = 0;
    for (const simdjson::dom::element one : asked["texts"]) require(std::string_view(one["text"]) == told[count++]);
    require(count == told.size());
    require(questions.is_too_large(1) == (told.size() > ExternalGuardPlan::moderations_texts_max));
    if (questions.is_too_large(1)) return;
    require(parser.parse(simdjson::padded_string(questions.of(1).view())).get(asked) == simdjson::SUCCESS);
    count = 0;
    for (const simdjson::dom::element one : asked["input"]) require(std::string_view(one) == told[count++]);
}

/// What is left is a document, and texts that were not meant are as they were. An address that held a blank may be one
/// without it, which is not read: then there is a text less.
void check_edit(BlockPool& pool, const std::string& document, const std::vector<std::string>& told,
                const guard::ExternalSpan& span) {
    const std::vector<guard::ExternalSpan> spans = {span};
    GuardEdits edits(pool, document, spans);
    while (edits.turn());
    if (edits.is_misplaced() || edits.is_unfit()) return;
    const std::string left(edits.changed().view());
    require(is_document(left));
    const std::vector<std::string> after = texts_of(pool, left);
    if (after.size() != told.size()) return;
    for (size_t i = 0; i < told.size(); ++i) require(i == span.text || after[i] == told[i]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 4) return 0;
    BlockPool pool;
    const std::string document(reinterpret_cast<const char*>(data) + 3, size - 3);  // its end is guarded
    const std::vector<std::string> told = texts_of(pool, document);
    if (!is_document(document)) return 0;
    check_questions(pool, document, told);
    if (told.empty()) return 0;
    const uint32_t text = data[0] % static_cast<uint32_t>(told.size());
    const auto bytes = static_cast<uint32_t>(told[text].size());
    if (bytes == 0) return 0;
    const uint32_t begin = data[1] % bytes;
    const uint32_t end = begin + 1 + data[2] % (bytes - begin);
    check_edit(pool, document, told, {text, begin, end, "[X]"});
    return 0;
}
