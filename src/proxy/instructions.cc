#include "instructions.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "loom/llm/json_text.h"
#include "loom/llm/role_texts.h"

namespace loom::proxy {

namespace {

/// Reads a text piece by piece, decoded. A broken escape stands for itself, and costs nothing of what is around it.
template <class OnPiece>
void each_piece_of(std::string_view raw, OnPiece&& on_piece) {
    std::array<char, 4096> decoded;
    size_t used = 0;
    while (!raw.empty()) {
        const std::string_view next = raw.substr(0, decoded.size() - used);
        size_t taken = std::min(next.find('\\'), next.size());
        std::memcpy(decoded.data() + used, next.data(), taken);
        used += taken;
        raw.remove_prefix(taken);
        if (decoded.size() - used < llm::escape_bytes_max) {
            on_piece(std::string_view(decoded.data(), std::exchange(used, 0)));
            continue;
        }
        if (raw.empty()) break;
        taken = llm::escape_bytes(raw);
        const size_t size = llm::unescape(raw.substr(0, taken), decoded.data() + used);
        if (size == llm::bad_text) {
            decoded[used++] = '\\';
            raw.remove_prefix(1);
            continue;
        }
        used += size;
        raw.remove_prefix(taken);
    }
    if (used > 0) on_piece(std::string_view(decoded.data(), used));
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
