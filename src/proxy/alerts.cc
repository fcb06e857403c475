// Events that somebody should hear of leave the shard here: by value, without a wait. Who tells them is app's.
#include "loom/proxy/services.h"

namespace loom::proxy {

void Services::tell(const tenant::Alert& alert) noexcept {
    if (alerts_ == nullptr || plan().alerts == nullptr) return;
    if (!alerts_->put(alert)) metrics_.alerts_lost.add();
}

}  // namespace loom::proxy
