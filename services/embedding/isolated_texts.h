#ifndef ENGRAM_SERVICES_EMBEDDING_ISOLATED_TEXTS_H_
#define ENGRAM_SERVICES_EMBEDDING_ISOLATED_TEXTS_H_

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// What became of several texts.
struct IsolatedTexts {
  // One for each text. `InvalidArgument`: the text is refused for good. Another
  // error, while `provider` is OK: the provider fails at this text and at no
  // other one.
  std::vector<absl::StatusOr<EmbeddedText>> texts;
  // Why the provider cannot be used now; the texts that it was not given have
  // the same error.
  absl::Status provider;
  // How often it was called.
  int requests = 0;
};

// Embeds `texts` with as few calls as tell which texts are at fault: a call
// that fails is made again in halves, as long as the provider embeds another
// text in between, which shows that it works.
IsolatedTexts EmbedIsolated(Provider& provider,
                            absl::Span<const absl::string_view> texts);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_ISOLATED_TEXTS_H_
