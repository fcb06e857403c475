#include "loom/admin/openapi.h"

namespace loom::admin {
namespace {

constexpr std::string_view document =
#include "openapi.inc"
    ;

}  // namespace

std::string_view openapi_document() noexcept { return document; }

}  // namespace loom::admin
