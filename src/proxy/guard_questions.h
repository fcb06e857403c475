// What each guard outside of Loom is asked about one request, written in turns while its texts are read once.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "guard_texts.h"
#include "loom/base/block_pool.h"
#include "loom/base/result.h"
#include "loom/proxy/external_guard.h"

namespace loom::proxy {

/// Of the request, beside its document; borrowed. "" where it is not known.
struct GuardSubject {
    std::string_view request_id;
    std::string_view consumer;
    std::string_view model;  // of the path; else it stands in the document
};

class GuardQuestions {
  public:
    using Guards = std::vector<std::shared_ptr<const ExternalGuardPlan>>;
    static constexpr size_t turn_bytes = 64 * 1024;

    GuardQuestions(BlockPool& blocks, const Guards& guards, std::string_view document, const GuardSubject& subject);

    /// One turn. Returns whether there is more to do.
    /// Errors  bad_message (downstream): the document is not UTF-8, or a text of it holds a broken escape.
    [[nodiscard]] Result<bool> turn();
    /// Of guard i; empty where there is more text than it is sent.
    [[nodiscard]] ByteBuffer& of(size_t guard) noexcept { return questions_[guard].bytes; }
    [[nodiscard]] bool is_too_large(size_t guard) const noexcept { return questions_[guard].too_large; }
    /// Of each text, in order.
    [[nodiscard]] std::span<const uint32_t> text_bytes() const noexcept {
        return {reinterpret_cast<const uint32_t*>(lengths_.data()), text_count_};
    }
    [[nodiscard]] size_t memory_bytes() const noexcept;

  private:
    struct Question {
        explicit Question(BlockPool& blocks) : bytes(blocks) {}
        ByteBuffer bytes;
        bool too_large = false;
    };
    void begin();
    void take(const TextPiece& piece);
    void begin_text(size_t guard);
    void end_text(TextRole role);
    void finish();
    void give_up(size_t guard) noexcept;
    [[nodiscard]] bool has_room(size_t guard, size_t bytes) noexcept;

    const Guards& guards_;
    std::string_view document_;
    GuardSubject subject_;
    GuardTexts texts_;
    std::vector<Question> questions_;
    ByteBuffer lengths_;
    uint32_t text_count_ = 0;
    uint64_t text_bytes_ = 0;  // of all
    bool begun_ = false;
};

}  // namespace loom::proxy
