using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>What a caller has to be allowed before a request is looked at.</summary>
/// <param name="Placement">What it is done to; null: the request's entities are of many placements, and each is asked about by
/// itself.</param>
internal readonly record struct RequiredPermission(string Action, Placement? Placement)
{
    /// <summary>Whether something is changed by it.</summary>
    public bool IsWrite => !Action.EndsWith(".read", StringComparison.Ordinal) && Action != "policies.validate";
}

/// <summary>What each request demands. One that is not in this table is nobody's.</summary>
internal static class RequiredPermissions
{
    private static readonly FrozenDictionary<Type, Func<IMessage, RequiredPermission>> ByRequest =
        new Dictionary<Type, Func<IMessage, RequiredPermission>>
        {
            [typeof(ValidatePoliciesRequest)] = _ => Everywhere("policies.validate"),
            [typeof(DiffPoliciesRequest)] = r => In(((DiffPoliciesRequest)r).Application, "policies.read"),
            [typeof(GetPoliciesRequest)] = r => In(((GetPoliciesRequest)r).Application, "policies.read"),
            [typeof(ListPolicyPublicationsRequest)] = r => In(((ListPolicyPublicationsRequest)r).Application, "policies.read"),
            [typeof(PublishPoliciesRequest)] = r => In(((PublishPoliciesRequest)r).Application, "policies.publish"),
            [typeof(RollBackPoliciesRequest)] = r => In(((RollBackPoliciesRequest)r).Application, "policies.rollback"),

            // Asked about type by type, and the application as well: see BundleImporter.
            [typeof(ImportBundleRequest)] = _ => OfEach("bundles.import"),

            [typeof(WriteEntitiesRequest)] = _ => OfEach("entities.write"),
            [typeof(ImportEntitiesRequest)] = _ => OfEach("entities.write"),
            [typeof(ChangeMembershipsRequest)] = _ => OfEach("entities.write"),
            [typeof(GetEntityRequest)] = _ => OfEach("entities.read"),

            [typeof(WriteIssuerRequest)] = r => In(((WriteIssuerRequest)r).Application, "issuers.write"),
            [typeof(RemoveIssuerRequest)] = r => In(((RemoveIssuerRequest)r).Application, "issuers.remove"),
            [typeof(ListIssuersRequest)] = r => In(((ListIssuersRequest)r).Application, "issuers.read"),

            [typeof(RevokeRequest)] = r => In(((RevokeRequest)r).Application, "revocations.write"),
            [typeof(RemoveRevocationRequest)] = r => In(((RemoveRevocationRequest)r).Application, "revocations.remove"),
            [typeof(ListRevocationsRequest)] = r => In(((ListRevocationsRequest)r).Application, "revocations.read"),

            [typeof(EnrolTotpRequest)] = r => In(((EnrolTotpRequest)r).Application, "factors.enrol", ((EnrolTotpRequest)r).Tenant),
            [typeof(EnrolBackupCodesRequest)] = r => In(
                ((EnrolBackupCodesRequest)r).Application, "factors.enrol", ((EnrolBackupCodesRequest)r).Tenant),
            [typeof(RemoveFactorRequest)] = r => In(
                ((RemoveFactorRequest)r).Application, "factors.remove", ((RemoveFactorRequest)r).Tenant),
            [typeof(ListFactorsRequest)] = _ => OfEach("factors.read"),

            [typeof(WriteRiskSettingsRequest)] = r => In(((WriteRiskSettingsRequest)r).Application, "risk-settings.write"),
            [typeof(GetRiskSettingsRequest)] = r => In(((GetRiskSettingsRequest)r).Application, "risk-settings.read"),
            [typeof(WriteRiskProfileRequest)] = r => In(
                ((WriteRiskProfileRequest)r).Application, "risk-profiles.write", ((WriteRiskProfileRequest)r).Tenant),
            [typeof(RemoveRiskProfileRequest)] = r => In(
                ((RemoveRiskProfileRequest)r).Application, "risk-profiles.remove", ((RemoveRiskProfileRequest)r).Tenant),

            [typeof(ListSidecarsRequest)] = _ => OfEach("sidecars.read"),
            [typeof(CreateJoinTokenRequest)] = r => In(
                ((CreateJoinTokenRequest)r).Application, "join-tokens.create", ((CreateJoinTokenRequest)r).Tenant),
            [typeof(ListJoinTokensRequest)] = _ => OfEach("sidecars.read"),
            [typeof(RemoveJoinTokenRequest)] = _ => OfEach("join-tokens.remove"),
            [typeof(GetHistoryRequest)] = _ => In(Placement.ControlPlaneApplication, "history.read"),
            [typeof(BeginHistoryRequest)] = _ => In(Placement.ControlPlaneApplication, "history.begin"),
            [typeof(RemoveSidecarRequest)] = r => In(
                ((RemoveSidecarRequest)r).Application, "sidecars.remove", ((RemoveSidecarRequest)r).Tenant),

            [typeof(ListSigningKeysRequest)] = _ => In(Placement.ControlPlaneApplication, "keys.read"),
            [typeof(RotateSigningKeysRequest)] = _ => In(Placement.ControlPlaneApplication, "keys.rotate"),
            [typeof(ListTrustAnchorsRequest)] = _ => In(Placement.ControlPlaneApplication, "keys.read"),
            [typeof(RotateTrustAnchorRequest)] = _ => In(Placement.ControlPlaneApplication, "trust-anchors.rotate"),
            [typeof(RotatePasswordPepperRequest)] = _ => In(Placement.ControlPlaneApplication, "keys.rotate"),

            [typeof(WriteAdministratorRequest)] = _ => In(Placement.ControlPlaneApplication, "administrators.write"),
            [typeof(RemoveAdministratorRequest)] = _ => In(Placement.ControlPlaneApplication, "administrators.remove"),
            [typeof(ListAdministratorsRequest)] = _ => In(Placement.ControlPlaneApplication, "administrators.read"),

            [typeof(WriteAccountRequest)] = _ => Everywhere("accounts.write"),
            [typeof(GetAccountRequest)] = _ => Everywhere("accounts.read"),
            [typeof(RemoveAccountRequest)] = _ => Everywhere("accounts.remove"),
            [typeof(UnlockAccountRequest)] = _ => Everywhere("accounts.unlock"),
            [typeof(CreateResetLinkRequest)] = _ => Everywhere("accounts.reset"),
            [typeof(ListAccountsRequest)] = _ => Everywhere("accounts.read"),
            [typeof(ListSessionsRequest)] = _ => Everywhere("sessions.read"),
            [typeof(EndSessionsRequest)] = _ => Everywhere("sessions.end"),

            [typeof(WriteClientRequest)] = r => In(((WriteClientRequest)r).Client?.Application ?? "", "clients.write"),
            [typeof(RemoveClientRequest)] = r => In(((RemoveClientRequest)r).Application, "clients.remove"),
            [typeof(ListClientsRequest)] = _ => OfEach("clients.read"),

            [typeof(WriteIdentityProviderRequest)] = _ => Everywhere("identity-providers.write"),
            [typeof(RemoveIdentityProviderRequest)] = _ => Everywhere("identity-providers.remove"),
            [typeof(ListIdentityProvidersRequest)] = _ => Everywhere("identity-providers.read"),

            [typeof(ListAuditRecordsRequest)] = r => In(
                ((ListAuditRecordsRequest)r).Application, "audit.read", ((ListAuditRecordsRequest)r).Tenant),
        }.ToFrozenDictionary();

    /// <summary>What a request demands; null: whatever it is, it is refused.</summary>
    public static RequiredPermission? Of(IMessage request) => ByRequest.TryGetValue(request.GetType(), out var permission)
        ? permission(request) : null;

    /// <summary>Placements whose applications have to exist for a request to make sense.</summary>
    public static IEnumerable<Placement> PlacementsOf(IMessage request, RequiredPermission permission) => request switch
    {
        PublishPoliciesRequest { Create: true } => [],
        WriteEntitiesRequest write => write.Entities.Where(
            e => e.Application.Length > 0).Select(e => new Placement(e.Application, e.Tenant)).Distinct(),
        WriteAdministratorRequest { Administrator: { } administrator } => administrator.Applications.Distinct().Select(
            a => new Placement(a, "")),
        ImportEntitiesRequest import => import.Entities.Where(
            e => e.Application.Length > 0).Select(e => new Placement(e.Application, e.Tenant)).Distinct(),
        _ => permission.Placement is { Application.Length: > 0 } placement ? [placement] : [],
    };

    private static RequiredPermission In(string application, string action, string tenant = "") =>
        new(action, new Placement(application, tenant));

    private static RequiredPermission Everywhere(string action) => In("", action);
    private static RequiredPermission OfEach(string action) => new(action, null);
}
