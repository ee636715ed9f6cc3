namespace AuthSidecar.Decisions;

/// <summary>What is done about requests that do not conform to the schema.</summary>
internal enum RequestValidation
{
    /// <summary>Nothing.</summary>
    Off = 0,

    /// <summary>They are decided, and the answer's detail says what does not conform.</summary>
    Warn,

    /// <summary>They are denied.</summary>
    Reject,
}
