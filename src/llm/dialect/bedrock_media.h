// Images, documents, sounds and videos as blocks of Converse.
#pragma once

#include "bedrock.h"

namespace loom::llm::bedrock {

/// Of one request.
class MediaWriter {
  public:
    MediaWriter(const Model& model, Context& context, JsonOut& out) noexcept
        : model_(model), context_(context), out_(out) {}

    /// The member of a block that holds an image, a file, a sound or a video.
    /// Errors  unsupported, with context.error_param: a format that Converse has not, a file's id, an address.
    [[nodiscard]] Result<void> write(const Part& part);
    [[nodiscard]] std::string_view last_document_name() const noexcept { return name_; }
    /// Of documents that are to be cited: all are, or none (a request of both is refused).
    [[nodiscard]] uint32_t cited_document_count() const noexcept { return cited_document_count_; }

  private:
    Result<void> write_image(const Media& media);
    Result<void> write_document(const Part& part);
    Result<void> write_clip(const Media& media, std::string_view kind, std::string_view format);
    Result<void> check_source(const Media& media);
    void write_source(const Media& media);
    void write_document_source(const Media& media, const ArenaList<Part>& blocks, bool is_cited);
    std::string_view document_name(Text name);
    Result<void> refuse(const char* what) {
        context_.error_param = "messages";
        return fail(Errc::unsupported, Side::downstream, what);
    }

    const Model& model_;
    Context& context_;
    JsonOut& out_;
    std::string_view name_;
    ArenaList<std::string_view> names_;  // of documents: no two may be the same
    uint32_t cited_document_count_ = 0;
};

}  // namespace loom::llm::bedrock
