#include "loom/proxy/listener.h"

#include "client_connection.h"

namespace loom::proxy {

ProxyListener::ProxyListener(Services& services, ListenerPlan plan, int fd)
    : services_(services), plan_(std::move(plan)), listener_(services.shard(), fd, [this](int client_fd) {
          ClientConnection::accept(services_, plan_, client_fd);
          if (!is_admin() && !services_.has_room_for_client()) listener_.pause();
      }) {}

}  // namespace loom::proxy
