// Text inside JSON strings: decoding, encoding, and the map between places of both.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace loom {
class ByteBuffer;
}

namespace loom::llm {

inline constexpr size_t bad_text = SIZE_MAX;

/// Decodes the inside of a JSON string (without its quotes) to UTF-8. A lone surrogate becomes U+FFFD.
/// out      at least raw.size() bytes: decoding never grows.
/// Returns  the bytes written, or bad_text for a broken escape.
[[nodiscard]] size_t unescape(std::string_view raw, char* out) noexcept;

/// The same, appended; false (and out as before) for a broken escape.
[[nodiscard]] bool unescape(std::string_view raw, std::string& out);

/// How many bytes of a JSON string's inside the escape at its beginning is, a pair of surrogates being one; a broken
/// one too, which unescape() tells. At most escape_bytes_max, and no more than there are.
[[nodiscard]] size_t escape_bytes(std::string_view raw) noexcept;
inline constexpr size_t escape_bytes_max = 12;

/// Where the first broken escape of a JSON document (or of a string's inside) stands, npos when all of them hold. The
/// index of a document's tokens (structure.h) does not look into strings: what goes from one document into another as
/// it stands, or becomes a document, has to be asked here.
[[nodiscard]] size_t find_bad_escape(std::string_view text) noexcept;

/// Where byte `text_offset` of the decoded text comes from: the offset in raw of the (whole) escape or byte behind it.
/// text_offset == size of the decoded text gives raw.size().
[[nodiscard]] size_t raw_offset(std::string_view raw, size_t text_offset) noexcept;

/// Appends text as the inside of a JSON string. Bytes that are not UTF-8 pass as they are.
void escape(std::string_view text, std::string& out);
void escape(std::string_view text, ByteBuffer& out);

/// The same with quotes around.
void quote(std::string_view text, std::string& out);

/// The same into bounded memory: as much of text as fits whole (no escape and no UTF-8 sequence is cut). Returns bytes.
size_t escape(std::string_view text, std::span<char> out) noexcept;

/// The largest cut <= wanted at which text may be split without cutting a UTF-8 sequence.
[[nodiscard]] size_t utf8_cut(std::string_view text, size_t wanted) noexcept;

}  // namespace loom::llm
