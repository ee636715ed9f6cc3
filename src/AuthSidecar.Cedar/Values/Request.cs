namespace AuthSidecar.Cedar;

/// <summary>An authorization request: may this principal do this action on this resource, in this context?</summary>
/// <param name="Principal">Who asks.</param>
/// <param name="Action">What they want to do.</param>
/// <param name="Resource">On what.</param>
/// <param name="Context">What else is known of the request.</param>
public readonly record struct Request(EntityUid Principal, EntityUid Action, EntityUid Resource, ValueRecord Context);
