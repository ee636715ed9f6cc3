namespace EndToEnd.Tests.House;

/// <summary>
/// The folders of each project in layers, from top to bottom: a folder may use those of lower layers, and neither those of higher ones nor the others
/// of its own. Folders inside a folder are listed where it is large enough to have layers of its own;
/// files beside them are below them all.
/// </summary>
internal static class Layers
{
    public static readonly IReadOnlyDictionary<string, string[]> Of = new Dictionary<string, string[]>
    {
        ["AuthSidecar.Cedar"] =
        [
            "Partial Explanations Formatting",
            "Validation",
            "Policies",
            "Evaluation",
            "EntityJson",
            "Schemas",
            "Entities",
            "Syntax",
            "Extensions",
            "Values",
            "Text",
        ],
        ["AuthSidecar.Tokens"] = [],
        ["AuthSidecar.Bundles"] = ["Documents", "Snapshots", "Codes Secrets Packs", "Files"],
        ["AuthSidecar.Bundles/Documents"] = ["Policies", "Entities", "Risk", "Schema Issuers Revocations Factors Profiles Routes"],
        ["AuthSidecar"] = ["Cli", "Hosting", "Api", "Sync", "Decisions", "Mfa", "Risk", "Policies", "Snapshots", "Issuers", "State Telemetry"],
        ["AuthSidecar/Api"] = ["Calls", "Wire"],
        ["AuthSidecar/Sync"] = ["Folder Stream"],
        ["AuthSidecar.ControlPlane"] =
        [
            "Cli",
            "Hosting",
            "Import Keys",
            "Administrators Sidecars Factors Risk",
            "Policies",
            "Entities",
            "Identity",
            "Issuers Revocations Audit",
            "Publications",
            "Api",
            "Telemetry State",
            "Secrets",
            "Store",
        ],
        ["AuthSidecar.ControlPlane/Identity"] =
        [
            "Server",
            "Management Pages",
            "Grants",
            "Accounts",
            "SignIn",
            "Sessions",
            "Clients Keys Passwords Providers",
        ],
        ["AuthSidecar.ControlPlane/Sidecars"] = ["Management", "Sync", "Enrolment", "Fleet", "Trust"],
    };
}
