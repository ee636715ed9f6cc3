using AuthSidecar.ControlPlane.Identity.Passwords;
using Microsoft.AspNetCore.Identity.EntityFrameworkCore;
using Microsoft.Extensions.Options;

namespace AuthSidecar.ControlPlane.Identity.Accounts;

/// <summary>ASP.NET Core Identity over a context of the store: what it changes is committed with the rest of the write it is a part
/// of.</summary>
internal sealed class AccountManagers(
    IOptions<IdentityOptions> options,
    PasswordHashing hashing,
    IEnumerable<IUserValidator<Account>> validators,
    ILookupNormalizer normalizer,
    IdentityErrorDescriber errors,
    IServiceProvider services,
    ILogger<UserManager<Account>> logger)
{
    public UserManager<Account> Of(StoreContext context)
    {
        // Who is looked for was added to a context that is not saved yet, at times; whoever writes does that.
        var store = new UserOnlyStore<Account, StoreContext, string>(context, errors) { AutoSaveChanges = false };
        return new UserManager<Account>(store, options, hashing, validators, [], normalizer, errors, services, logger);
    }
}
