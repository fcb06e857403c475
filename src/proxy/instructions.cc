#include "instructions.h"

#include <algorithm>
#include <array>

#include "loom/llm/json_text.h"
#include "loom/llm/role_texts.h"

namespace loom::proxy {

namespace {

/// Reads texts piece by piece, decoded.
template <class OnPiece>
void each_piece_of(std::string_view raw, OnPiece&& on_piece) {
    std::array<char, 4096> decoded;
    while (!raw.empty()) {
        size_t end = 0;
        while (end < raw.size() && end < decoded.size() - 6)
            end += raw[end] != '\\' ? 1 : raw.substr(end, 2) == "\\u" ? 6 : 2;
        end = std::min(end, raw.size());
        const size_t size = llm::unescape(raw.substr(0, end), decoded.data());
        raw.remove_prefix(end);
        if (size != llm::bad_text) on_piece(std::string_view(decoded.data(), size));
    }
}

struct Instructions final : llm::RoleTextSink {
    explicit Instructions(guard::SystemText& system) : system(system) {}
    bool on_text(llm::Speaker speaker, std::string_view raw) override {
        if (speaker != llm::Speaker::system) return true;
        const std::string_view read = raw.substr(0, instructions_bytes_max - bytes);
        bytes += read.size();
        each_piece_of(read, [this](std::string_view piece) { system.add(piece); });
        system.end_text();
        return bytes < instructions_bytes_max && !system.full();
    }
    guard::SystemText& system;
    size_t bytes = 0;
};

struct OwnWords final : llm::RoleTextSink {
    explicit OwnWords(guard::SystemText& system) : system(system) {}
    bool on_text(llm::Speaker speaker, std::string_view raw) override {
        if (speaker != llm::Speaker::user) return true;
        const std::string_view read = raw.substr(0, own_words_bytes_max - bytes);
        bytes += read.size();
        each_piece_of(read, [this](std::string_view piece) { system.exempt(piece); });
        system.end_exempt();
        return bytes < own_words_bytes_max;
    }
    guard::SystemText& system;
    size_t bytes = 0;
};

}  // namespace

void read_instructions(std::string_view document, guard::SystemText& system) {
    Instructions instructions(system);
    llm::tell_role_texts(document, instructions);
    system.make();
    if (system.empty()) return;
    OwnWords own(system);
    llm::tell_role_texts(document, own);
}

}  // namespace loom::proxy
