// provider_contract.h over all remote providers.

#include <cstdlib>
#include <memory>
#include <string>

#include "services/embedding/testing/http_provider_fixture.h"
#include "services/embedding/testing/provider_contract.h"

namespace engram::embedding::testing {

// What provider_contract.h wants, for each kind.
template <ProviderKind kKind>
struct MakeRemote {
  static std::unique_ptr<Provider> Make() {
    static auto& server = *new ProviderServer(kKind);
    setenv(kKeyEnv, std::string(ProviderServer::kKey).c_str(), 1);
    const RemoteModel model = ReadModel(
        UserFile(kKind, server.base_url(), "", NameOf(kKind) + "/test-model"));
    return std::make_unique<HttpProvider>(
        model, std::make_shared<HttpChannel>(model.provider.http, 4));
  }
};

using RemoteMakers = ::testing::Types<
    MakeRemote<ProviderKind::kOpenAi>, MakeRemote<ProviderKind::kOpenRouter>,
    MakeRemote<ProviderKind::kVoyage>, MakeRemote<ProviderKind::kMistral>,
    MakeRemote<ProviderKind::kCompatible>, MakeRemote<ProviderKind::kGemini>,
    MakeRemote<ProviderKind::kCohere>, MakeRemote<ProviderKind::kOllama>,
    MakeRemote<ProviderKind::kTei>>;
INSTANTIATE_TYPED_TEST_SUITE_P(Remote, ProviderContract, RemoteMakers);

}  // namespace engram::embedding::testing
