#include "loom/proxy/listener.h"

#include "client_connection.h"

namespace loom::proxy {

ProxyListener::ProxyListener(Services& services, ListenerPlan plan, int fd)
    : services_(services),
      plan_(std::move(plan)),
      listener_(services.shard(), fd, [this](int client_fd) { on_accept(client_fd); }) {}

/// A multishot accept takes all that wait in one go, also behind the one that fills the shard. Those wait here, as
/// descriptors without memory of ours, as if they were still in the backlog; only an address's flood is closed at once.
void ProxyListener::on_accept(int client_fd) {
    const auto arrival = services_.welcome(plan_, client_fd);
    if (arrival && services_.has_room_for_client(plan_))
        ClientConnection::accept(services_, plan_, *arrival);
    else if (arrival)
        parked_.push_back(*arrival);
    if (!services_.has_room_for_client(plan_)) listener_.pause();
}

void ProxyListener::make_room() {
    while (!parked_.empty() && services_.has_room_for_client(plan_)) {
        const Arrival arrival = parked_.front();
        parked_.erase(parked_.begin());
        ClientConnection::accept(services_, plan_, arrival);
    }
    if (services_.has_room_for_client(plan_)) listener_.resume();
}

void ProxyListener::close_parked() noexcept {
    for (const Arrival& arrival : parked_) services_.dismiss(arrival);
    parked_.clear();
}

}  // namespace loom::proxy
