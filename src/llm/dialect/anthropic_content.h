// Reads content blocks: of a request's messages, of its tools' results, of an answer.
#pragma once

#include <optional>

#include "anthropic.h"

namespace loom::llm::anthropic {

class BlockReader {
  public:
    BlockReader(Cursor& cursor, Context& context) noexcept : cursor_(cursor), context_(context) {}

    /// A string or an array of blocks: what `content` may be.
    [[nodiscard]] bool read_content(ArenaList<Part>& parts);
    /// An array of blocks.
    [[nodiscard]] bool read_blocks(ArenaList<Part>& parts);
    /// One block: none, one or several parts. A kind of block that chat.h has no word for is a loss.
    [[nodiscard]] bool read_block(ArenaList<Part>& parts);

  private:
    /// What a block may stand in: a tool's result holds no other result, a document's content no document. So the
    /// reading never goes deeper than three.
    enum class Place : uint8_t { message, tool_result, document };
    struct Block;

    BlockReader(Cursor& cursor, Context& context, Place place) noexcept
        : cursor_(cursor), context_(context), place_(place) {}

    bool collect(Block& block);
    bool take_block(const Block& block, ArenaList<Part>& parts);
    bool take_text_block(const Block& block, ArenaList<Part>& parts);
    bool take_tool_use(const Block& block, ArenaList<Part>& parts);
    bool take_tool_result(const Block& block, ArenaList<Part>& parts);
    bool take_media(const Block& block, Part::Kind kind, ArenaList<Part>& parts);
    bool take_document(const Block& block, ArenaList<Part>& parts);
    bool take_search_result(const Block& block, ArenaList<Part>& parts);
    bool read_inner(const Block& block, const std::optional<Cursor>& at, Place place, ArenaList<Part>& parts);
    bool refuse(const Block& block, const char* what);
    Part& add(const Block& block, Part::Kind kind, ArenaList<Part>& parts);

    Cursor& cursor_;
    Context& context_;
    Place place_ = Place::message;
};

}  // namespace loom::llm::anthropic
