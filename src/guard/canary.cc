#include <algorithm>
#include <array>

#include "loom/guard/leaks.h"
#include "window.h"

namespace loom::guard {

bool CanaryWords::add(std::string_view word) {
    all_bytes_ += word.size();
    if (word.size() < word_bytes_min || word.size() > word_bytes_max || all_bytes_ > all_bytes_max) return false;
    words_.emplace_back(word);
    return true;
}

void CanaryWords::make() {
    for (std::string& word : words_)
        for (char& c : word) {
            const auto byte = static_cast<unsigned char>(lower(static_cast<unsigned char>(c)));
            c = static_cast<char>(byte);
            if (class_of_[byte] == 0) class_of_[byte] = static_cast<uint8_t>(class_count_++);
        }
    for (unsigned char c = 'A'; c <= 'Z'; ++c) class_of_[c] = class_of_[static_cast<size_t>(lower(c))];
    // The words as a tree; 0 is its root, and "none yet" is 0 too.
    const auto grow = [this](uint16_t depth) {
        nodes_.push_back({.depth = depth});
        next_.resize(nodes_.size() * class_count_);
        return static_cast<uint16_t>(nodes_.size() - 1);
    };
    nodes_.clear();
    next_.clear();
    grow(0);
    for (const std::string& word : words_) {
        uint16_t node = 0, depth = 0;
        for (const char c : word) {
            depth += 1;
            const size_t place = node * class_count_ + class_of_[static_cast<unsigned char>(c)];
            if (next_[place] == 0) {
                const uint16_t made = grow(depth);
                next_[place] = made;
            }
            node = next_[place];
        }
        nodes_[node].longest = depth;
    }
    // By depth: where it does not go on, it goes on as the longest beginning that ends there does.
    std::vector<uint16_t> behind(nodes_.size()), queue{0};
    for (size_t i = 0; i < queue.size(); ++i) {
        const uint16_t node = queue[i];
        nodes_[node].longest = std::max(nodes_[node].longest, nodes_[behind[node]].longest);
        for (size_t c = 1; c < class_count_; ++c) {
            uint16_t& to = next_[node * class_count_ + c];
            const uint16_t other = node == 0 ? uint16_t{0} : next_[behind[node] * class_count_ + c];
            if (to == 0) {
                to = other;
                continue;
            }
            behind[to] = other;
            queue.push_back(to);
        }
    }
}

}  // namespace loom::guard
