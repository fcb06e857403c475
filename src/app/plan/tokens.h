// What a conf file says of counting tokens, as the proxy takes it.
#pragma once

#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/proxy/plan.h"

namespace loom::app {

/// How many tokens one request may take. Behind the routes.
void fill_request_caps(const config::Config& config, proxy::Plan& plan);

/// What becomes of prompts that do not fit their model's context. Behind the routes.
void fill_context(const config::Config& config, proxy::Plan& plan);

/// Reads the rank files; what is wrong with one is a message that names its key and line.
void fill_tokenizers(const config::Config& config, proxy::Plan& plan, std::vector<std::string>& messages);

/// Does anybody ask how many tokens a prompt is? Behind all else.
void fill_prompt_wish(const config::Config& config, proxy::Plan& plan);

}  // namespace loom::app
