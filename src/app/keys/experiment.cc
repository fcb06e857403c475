// Rows of the keys that lead shares of a model's users elsewhere.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "routing.experiment.<name>.model",
     .type = text,
     .meaning = "the model whose requests take part, as clients name it; nobody else's are looked at"},
    {.pattern = "routing.experiment.<name>.arm.<arm>.share",
     .type = share,
     .meaning =
         "of the users (the request's user, else the consumer, else the address), who stay in their arm; what is "
         "left is the control and gets what it asked for. Raising it moves users of the control into the arm, "
         "and none between the others, as long as the first two have at most half each"},
    {.pattern = "routing.experiment.<name>.arm.<arm>.use",
     .type = text,
     .meaning = "the model, provider/model or provider that is asked instead. Failover stays within it"},
};

}  // namespace

std::span<const KeyRow> experiment_keys() { return rows; }

}  // namespace loom::app
