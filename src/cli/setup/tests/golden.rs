//! Each tool's file before `setup` and after it.

/// Tool and words; file; before; after, where HOME is the home. Other systems have other places.
pub(super) const GOLDEN: &[(&str, &str, &str, &str, &str)] = &[
    ("git", "", ".gitconfig", "", "[credential]\n\thelper = cred-helper\n"),
    (
        "git",
        "--host https://git.example.com",
        ".gitconfig",
        "[user]\r\n\tname = Ada ; x\r\n[credential]\r\n\thelper = store",
        "[user]\r\n\tname = Ada ; x\r\n[credential]\r\n\thelper = store\r\n[credential \"https://git.example.com\"]\r\n\thelper =\r\n\
         \thelper = cred-helper",
    ),
    (
        "git",
        "",
        ".config/git/config",
        "# mine\n[Credential]\n    helper = cache\n[a]\n",
        "# mine\n[Credential]\n\thelper = cred-helper\n    helper = cache\n[a]\n",
    ),
    (
        "docker",
        "--host registry.example.com:5000",
        ".docker/config.json",
        "{\n\t\"auths\": {\n\t\t\"a\": {\"auth\": \"c2VjcmV0\"}\n\t}\n}",
        "{\n\t\"credHelpers\": {\n\t\t\"registry.example.com:5000\": \"cred-helper\"\n\t},\n\t\"auths\": {\n\t\t\"a\": {\"auth\": \
         \"c2VjcmV0\"}\n\t}\n}",
    ),
    ("docker", "--all-hosts", ".docker/config.json", "{}\n", "{\n  \"credsStore\": \"cred-helper\"\n}\n"),
    (
        "docker",
        "--host docker.io",
        ".docker/config.json",
        "{\"credsStore\":\"other\"}",
        "{\"credHelpers\": {\"docker.io\": \"cred-helper\", \"https://index.docker.io/v1/\":\"cred-helper\"}, \"credsStore\":\"other\"}",
    ),
    (
        "cargo",
        "--name work",
        ".cargo/config.toml",
        "[registries.work]\nindex = \"sparse+https://cargo.example.com/i/\" # ours\n\n[net]\n",
        "[registries.work]\nindex = \"sparse+https://cargo.example.com/i/\" # ours\ncredential-provider = \
         [\"HOME/bin/cred-helper\"]\n\n[net]\n",
    ),
    (
        "cargo",
        "--host cargo.example.com",
        ".cargo/config",
        "registries.work.index = \"sparse+https://cargo.example.com/i/\"",
        "registries.work.index = \"sparse+https://cargo.example.com/i/\"\nregistries.work.credential-provider = x",
    ),
    (
        "cargo",
        "--all-hosts -- --bearer",
        ".cargo/config.toml",
        "",
        "[credential-alias]\ncred-helper = [\"HOME/bin/cred-helper\", \"--bearer\"]\n\n[registry]\n\
         global-credential-providers = [\"cargo:token\", \"cred-helper\"]\n",
    ),
    (
        "claude",
        "",
        ".claude/settings.json",
        "{\n  \"permissions\": {\"allow\": []}\n}\n",
        "{\n  \"apiKeyHelper\": \"HOME/bin/cred-helper get-token --asks-again-when-refused anthropic\",\n  \"env\": {\n    \"CLAUDE_CODE_API_KEY_HELPER_TTL_MS\": \"86400000\",\n    \"CLAUDE_CODE_MAX_RETRIES\": \"5\"\n  },\n  \"permissions\": {\"allow\": []}\n}\n",
    ),
    (
        "claude",
        "--account anthropic/work",
        ".claude/settings.json",
        "{\"env\": {\"CLAUDE_CODE_MAX_RETRIES\": \"20\"}}",
        "{\"apiKeyHelper\": \"HOME/bin/cred-helper get-token --asks-again-when-refused anthropic/work\", \"env\": \
         {\"CLAUDE_CODE_API_KEY_HELPER_TTL_MS\": \"86400000\", \"CLAUDE_CODE_MAX_RETRIES\": \"20\"}}",
    ),
    (
        "claude",
        "--host https://mcp.example/mcp --name docs",
        ".claude.json",
        "",
        "{\n  \"mcpServers\": {\n    \"docs\": {\n      \"type\": \"http\",\n      \"url\": \"https://mcp.example/mcp\",\n      \
         \"headersHelper\": \"HOME/bin/cred-helper helper headers --asks-again-when-refused\"\n    }\n  }\n}\n",
    ),
    (
        "claude",
        "--host mcp.example/mcp --name docs -- --audience x",
        ".claude.json",
        "{\n  \"mcpServers\": {\n    \"docs\": {\n      \"type\": \"sse\",\n      \"url\": \"https://mcp.example/mcp/\"\n    }\n  }\n}",
        "{\n  \"mcpServers\": {\n    \"docs\": {\n      \"headersHelper\": \"HOME/bin/cred-helper helper headers --asks-again-when-refused \
         --audience x\",\n      \"type\": \"sse\",\n      \"url\": \"https://mcp.example/mcp/\"\n    }\n  }\n}",
    ),
    (
        "codex",
        "--account openai/work",
        ".codex/config.toml",
        "model = \"x\"\n[model_providers.gateway]\nname = \"G\"\n",
        "model = \"x\"\n[model_providers.gateway]\nname = \"G\"\n\n[model_providers.gateway.auth]\ncommand = \
         \"HOME/bin/cred-helper\"\nargs = [\"get-token\", \"--asks-again-when-refused\", \"openai/work\"]\nrefresh_interval_ms = 0\n",
    ),
    (
        "rclone",
        "--name cloud --account work",
        ".config/rclone/rclone.conf",
        "[cloud]\ntype = webdav\nurl = https://dav.example.com\n\n[other]\ntype = local\n",
        "[cloud]\ntype = webdav\nurl = https://dav.example.com\nbearer_token_command = HOME/bin/cred-helper get-token --asks-again-when-refused work\n\n\
         [other]\ntype = local\n",
    ),
    (
        "pnpm",
        "--host npm.example.com/team",
        ".npmrc",
        "//npm.example.com/:_authToken=secret",
        "//npm.example.com/:_authToken=secret\n//npm.example.com/team/:tokenHelper=HOME/bin/cred-helper helper pnpm --url \
         https://npm.example.com/team",
    ),
    (
        "pnpm",
        "--host npm.example.com",
        ".npmrc",
        "",
        "//npm.example.com/:tokenHelper=HOME/bin/pnpm-token-cred-helper@npm.example.com\n",
    ),
    (
        "kubectl",
        "--account work -- --id-token",
        ".kube/config",
        "clusters: [{name: c, cluster: {server: \"https://k8s.example:6443\"}}]\ncontexts:\n- context: {cluster: c, user: admin}\n  name: dev\ncurrent-context: dev\nusers:\n- name: admin # theirs\n  user: \
         {token: secret}",
        "clusters: [{name: c, cluster: {server: \"https://k8s.example:6443\"}}]\ncontexts:\n- context: {cluster: c, user: \"cred-helper-dev\"}\n  name: dev\ncurrent-context: dev\nusers:\n- name: admin # theirs\n  \
         user: {token: secret}\n- name: \"cred-helper-dev\"\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      \
         command: \"HOME/bin/cred-helper\"\n      args:\n      - \"helper\"\n      - \"kubectl\"\n      - \"--id-token\"\n      interactiveMode: Never\n      provideClusterInfo: true",
    ),
    (
        "pip",
        "",
        ".config/pip/pip.conf",
        "[install]\npre = 1\n",
        "[install]\npre = 1\n[global]\nkeyring-provider = subprocess\n",
    ),
    ("uv", "", ".config/uv/uv.toml", "# c\n[pip]\na = 1\n", "keyring-provider = \"subprocess\"\n# c\n[pip]\na = 1\n"),
    (
        "terraform",
        "",
        ".terraformrc",
        "plugin_cache_dir = \"x\"\n",
        "plugin_cache_dir = \"x\"\ncredentials_helper \"cred-helper\" {\n  args = []\n}\n",
    ),
    (
        "bazel",
        "--host *.example.com",
        ".bazelrc",
        "build --jobs=2",
        "build --jobs=2\ncommon --credential_helper=*.example.com=HOME/bin/bazel-credential-cred-helper",
    ),
    ("goauth", "", ".config/go/env", "GOFLAGS=-x\n", "GOFLAGS=-x\nGOAUTH=HOME/bin/cred-helper helper goauth; netrc\n"),
    (
        "goauth",
        "--host goproxy.example.com",
        ".config/go/env",
        "",
        "GOAUTH=HOME/bin/cred-helper helper goauth --url https://goproxy.example.com; netrc\n",
    ),
    (
        "aws",
        "--account work -- --role-arn arn:aws:iam::1:role/r",
        ".aws/config",
        "[default]\nregion = eu-west-1\n",
        "[default]\nregion = eu-west-1\n[profile cred-helper]\ncredential_process = HOME/bin/cred-helper helper aws --account work \
         --role-arn arn:aws:iam::1:role/r\n",
    ),
];
