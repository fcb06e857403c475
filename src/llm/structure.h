// Where the tokens of a JSON document begin: simdjson's first stage alone, with its kernel chosen at run time.
//
// On-demand reading is built on the same list, but skips lazily: it takes `[}` or `[1 2` in a value it does not look at
// for well formed, which a gateway must not. So the second stage is ours (cursor.h): it walks every token once under
// the grammar, gives the place of each value for free, and costs about the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace loom::llm {

/// Offsets of the first byte of every token: brackets, commas, colons, the opening quote of strings, scalars. Behind
/// the last stands the size of the document.
struct Tokens {
    const uint32_t* begin = nullptr;
    uint32_t count = 0;
};

/// A place in a document and what is wrong there; `what` is a literal, null when nothing is.
struct Fault {
    const char* what = nullptr;
    uint32_t offset = 0;
};

class Structure {
  public:
    enum class Utf8 : uint8_t { checked, passed };

    Structure();
    ~Structure();
    Structure(const Structure&) = delete;

    /// text     any bytes, below 4 GiB; no padding is needed (the last block is copied by simdjson).
    /// Returns  false with `fault` filled for an empty document, an unclosed string, a control character in a string
    /// and,
    ///          where checked, bytes that are not UTF-8. The tokens stay until the next call.
    [[nodiscard]] bool index(std::string_view text, Utf8 utf8, Tokens& tokens, Fault& fault);

    /// Gives back what a document larger than kept_bytes_max needed. Call when its tokens are not needed any more.
    void trim();

    static constexpr size_t kept_bytes_max = 1 << 20;
    /// What the index of a document of so many bytes takes: an offset for each byte of the capacity.
    [[nodiscard]] static size_t memory_bytes(size_t document_bytes) noexcept;

  private:
    bool reserve(size_t bytes);

    struct Parser;
    std::unique_ptr<Parser> parser_;
};

}  // namespace loom::llm
