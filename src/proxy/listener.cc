#include "loom/proxy/listener.h"

#include "client_connection.h"

namespace loom::proxy {

ProxyListener::ProxyListener(Services& services, ListenerPlan plan, int fd)
    : services_(services),
      plan_(std::move(plan)),
      listener_(services.shard(), fd, [this](int client_fd) { on_accept(client_fd); }) {}

/// A multishot accept takes all that wait in one go, also behind the one that fills the shard. Those wait here, as
/// descriptors without memory of ours, as if they were still in the backlog.
void ProxyListener::on_accept(int client_fd) {
    if (services_.has_room_for_client(plan_))
        ClientConnection::accept(services_, plan_, client_fd);
    else
        parked_.push_back(client_fd);
    if (!services_.has_room_for_client(plan_)) listener_.pause();
}

void ProxyListener::make_room() {
    while (!parked_.empty() && services_.has_room_for_client(plan_)) {
        const int client_fd = parked_.front();
        parked_.erase(parked_.begin());
        ClientConnection::accept(services_, plan_, client_fd);
    }
    if (services_.has_room_for_client(plan_)) listener_.resume();
}

void ProxyListener::close_parked() noexcept {
    for (const int client_fd : parked_) services_.shard().ring().close(client_fd);
    parked_.clear();
}

}  // namespace loom::proxy
