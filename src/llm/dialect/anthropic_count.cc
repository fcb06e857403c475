#include "anthropic_count.h"

#include "anthropic.h"

namespace loom::llm::anthropic {

Result<void> write_count_request(const ChatRequest& request, Context& context, ByteBuffer& out) {
    return write_request(request, Form::count, context, out);
}

}  // namespace loom::llm::anthropic
