#include "guard_questions.h"

#include <algorithm>

#include "loom/base/json.h"
#include "loom/llm/json_text.h"

namespace loom::proxy {

namespace {

/// At worst, of `bytes` of text.
constexpr size_t escaped_bytes_max(size_t bytes) noexcept { return 6 * bytes; }
constexpr size_t frame_bytes = 64;  // around a text

}  // namespace

GuardQuestions::GuardQuestions(BlockPool& blocks, const Guards& guards, std::string_view document,
                               const GuardSubject& subject)
    : guards_(guards), document_(document), subject_(subject), texts_(blocks, document), lengths_(blocks) {
    questions_.reserve(guards.size());
    for (size_t i = 0; i < guards.size(); ++i) questions_.emplace_back(blocks);
}

size_t GuardQuestions::memory_bytes() const noexcept {
    size_t bytes = GuardTexts::memory_bytes_max(document_.size()) + BlockPool::footprint(lengths_.capacity());
    for (const Question& one : questions_)
        if (one.bytes.capacity() > 0) bytes += BlockPool::footprint(one.bytes.capacity());
    return bytes;
}

void GuardQuestions::begin() {
    begun_ = true;
    for (size_t i = 0; i < questions_.size(); ++i) {
        ByteBuffer& out = questions_[i].bytes;
        out.reserve(std::min<size_t>(document_.size() + 1024, guards_[i]->question_bytes_max()));
        if (guards_[i]->shape == GuardShape::moderations) {
            out.append(R"({"model":")");
            llm::escape(guards_[i]->model, out);
            out.append(R"(","input":[)");
            continue;
        }
        out.append(R"({"direction":"request","id":")");
        llm::escape(subject_.request_id, out);
        if (!subject_.consumer.empty()) {
            out.append(R"(","consumer":")");
            llm::escape(subject_.consumer, out);
        }
        out.append(R"(","texts":[)");
    }
}

void GuardQuestions::give_up(size_t guard) noexcept {
    questions_[guard].too_large = true;
    questions_[guard].bytes.release();
}

bool GuardQuestions::has_room(size_t guard, size_t bytes) noexcept {
    Question& question = questions_[guard];
    if (question.too_large) return false;
    const bool fits = text_bytes_ <= guards_[guard]->text_bytes_max && text_count_ <= guards_[guard]->texts_max() &&
                      question.bytes.size() + bytes <= guards_[guard]->question_bytes_max();
    if (!fits) give_up(guard);
    return fits;
}

void GuardQuestions::begin_text(size_t guard) {
    ByteBuffer& out = questions_[guard].bytes;
    if (text_count_ > 1) out.append(",");
    out.append(guards_[guard]->shape == GuardShape::moderations ? "\"" : R"({"text":")");
}

void GuardQuestions::take(const TextPiece& piece) {
    const bool begins = piece.text == text_count_;
    if (begins) {
        text_count_ += 1;
        if (text_count_ <= ExternalGuardPlan::webhook_texts_max + 1) {
            const uint32_t none = 0;
            lengths_.append({reinterpret_cast<const char*>(&none), sizeof none});
        }
    }
    text_bytes_ += piece.bytes.size();
    for (size_t i = 0; i < questions_.size(); ++i) {
        // What is mostly plain needs no more room than itself; the rest is looked at again where it was written.
        if (!has_room(i, frame_bytes + piece.bytes.size())) continue;
        if (begins) begin_text(i);
        llm::escape(piece.bytes, questions_[i].bytes);
        (void)has_room(i, 0);
    }
    if (text_count_ > ExternalGuardPlan::webhook_texts_max) return;
    const auto size = static_cast<uint32_t>(piece.at + piece.bytes.size());
    std::memcpy(lengths_.data() + (text_count_ - 1) * sizeof size, &size, sizeof size);
}

void GuardQuestions::end_text(TextRole role) {
    for (size_t i = 0; i < questions_.size(); ++i) {
        if (!has_room(i, frame_bytes)) continue;
        ByteBuffer& out = questions_[i].bytes;
        out.append("\"");
        if (guards_[i]->shape == GuardShape::moderations) continue;
        out.append(R"(,"role":")");
        out.append(text_role_name(role));
        out.append(R"("})");
    }
}

void GuardQuestions::finish() {
    const std::string_view model = !subject_.model.empty() ? subject_.model : texts_.model();
    for (size_t i = 0; i < questions_.size(); ++i) {
        if (!has_room(i, escaped_bytes_max(model.size()) + frame_bytes)) continue;
        ByteBuffer& out = questions_[i].bytes;
        out.append("]");
        if (guards_[i]->shape == GuardShape::webhook && !model.empty()) {
            out.append(R"(,"model":")");
            llm::escape(model, out);
            out.append("\"");
        }
        out.append("}");
    }
}

Result<bool> GuardQuestions::turn() {
    if (!begun_) {
        if (!simdjson::validate_utf8(document_.data(), document_.size()))
            return fail(Errc::bad_message, Side::downstream, "the body is not UTF-8");
        begin();
    }
    bool more = true;
    for (size_t read = 0; more && read < turn_bytes; read += GuardTexts::piece_bytes) {
        more = texts_.read([this](const TextPiece& piece) { take(piece); }, [this](TextRole role) { end_text(role); });
        const bool wanted = std::ranges::any_of(questions_, [](const Question& one) { return !one.too_large; });
        if (!wanted) {
            texts_.release();
            return false;
        }
    }
    if (texts_.is_broken())
        return fail(Errc::bad_message, Side::downstream, "a text of the request holds a broken escape");
    if (more) return true;
    finish();
    texts_.release();  // the request may wait for long
    return false;
}

}  // namespace loom::proxy
