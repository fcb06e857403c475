#include "guard_texts.h"

#include <algorithm>
#include <utility>

namespace loom::proxy {

std::string_view text_role_name(TextRole role) noexcept {
    constexpr std::array<std::string_view, 6> names = {"other", "system", "developer", "user", "assistant", "tool"};
    return names[static_cast<size_t>(role)];
}

void DocumentParts::begin_part() noexcept {
    if (part_ == watched_) watched_role_ = role_;
    part_ += 1;
    role_ = member_role_;
}

void DocumentParts::end_string(std::string_view word) noexcept {
    if (depth_ == 1 && std::exchange(expects_name_, false)) {
        holds_messages_ = !escaped_ && llm::holds_turns(word);
        is_model_ = !escaped_ && word == "model";
        member_role_ = escaped_ ? TextRole::other : llm::role_of_member(word);
        role_ = member_role_;
        return;
    }
    if (depth_ == 1 && is_model_ && !escaped_ && word.size() <= model_bytes_max) model_ = word;
    if (depth_ != 3 || !is_list_) return;
    if (std::exchange(element_name_, false)) {
        is_role_ = !escaped_ && word == "role";
        return;
    }
    if (std::exchange(is_role_, false)) role_ = escaped_ ? TextRole::other : llm::role_named(word);
}

void DocumentParts::step(char c) noexcept {
    switch (c) {
        case '{':
        case '[':
            depth_ += 1;
            if (depth_ == 1) expects_name_ = c == '{';
            if (depth_ == 2) is_list_ = c == '[' && holds_messages_;
            // What has no role of its own is not what its member would be: a tool's result stands there too.
            if (depth_ == 3 && is_list_ && c == '{') {
                element_name_ = true;
                is_role_ = false;
                role_ = TextRole::other;
            }
            return;
        case '}':
        case ']':
            if (depth_ == 2) is_list_ = false;
            if (depth_ > 0) depth_ -= 1;
            return;
        case ',':
            if (depth_ == 1) expects_name_ = true;
            if (depth_ == 1 || (depth_ == 2 && is_list_)) begin_part();
            if (depth_ == 3 && is_list_) element_name_ = true;
            return;
        default: return;
    }
}

void DocumentParts::walk_to(size_t at) noexcept {
    const size_t end = std::min(at, text_.size());
    while (at_ < end) {
        const char c = text_[at_++];
        if (!in_string_) {
            if (c == '"') {
                in_string_ = true;
                escaped_ = false;
                string_begin_ = at_;
            } else {
                step(c);
            }
            continue;
        }
        if (std::exchange(slash_, false)) continue;
        if (c == '\\') {
            slash_ = escaped_ = true;
        } else if (c == '"') {
            in_string_ = false;
            end_string(text_.substr(string_begin_, at_ - 1 - string_begin_));
        }
    }
}

size_t GuardTexts::window_bytes(size_t document_bytes) noexcept {
    return std::min(piece_bytes, 2 * document_bytes) + 2 * llm::TextReader::slack_bytes;
}

size_t GuardTexts::run_count(size_t document_bytes) noexcept {
    return std::min(piece_bytes, document_bytes) + 2 * llm::TextReader::slack_runs;
}

size_t GuardTexts::memory_bytes_max(size_t document_bytes) noexcept {
    return BlockPool::footprint(window_bytes(document_bytes)) +
           BlockPool::footprint((run_count(document_bytes) + 1) * sizeof(llm::TextRun));
}

GuardTexts::GuardTexts(BlockPool& blocks, std::string_view document)
    : reader_(document), parts_(document), document_bytes_(document.size()), bytes_(blocks), runs_(blocks) {
    const size_t bytes = window_bytes(document.size()), runs = run_count(document.size());
    bytes_.reserve(bytes);
    runs_.reserve((runs + 1) * sizeof(llm::TextRun));
    const auto address = reinterpret_cast<uintptr_t>(runs_.data());
    const size_t slip = (alignof(llm::TextRun) - address % alignof(llm::TextRun)) % alignof(llm::TextRun);
    window_.bytes = {bytes_.data(), bytes};
    window_.runs = {reinterpret_cast<llm::TextRun*>(runs_.data() + slip), runs};
}

void GuardTexts::release() noexcept {
    window_ = {};
    bytes_.release();
    runs_.release();
}

/// Of several that follow each other the last are told, from a break on.
void GuardTexts::note_sign(std::string_view bytes) noexcept {
    constexpr char separator = '\x1e';
    for (const char c : bytes) {
        if (c == separator && sign_count_ > 0 && signs_[sign_count_ - 1] == '\n') continue;
        if (sign_count_ == signs_max) sign_count_ = 0;
        signs_[sign_count_++] = c == separator ? '\n' : c;
    }
}

}  // namespace loom::proxy
