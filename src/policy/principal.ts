/** Who makes a request, as IAM sees it. */
export type Principal =
  | { readonly kind: "anonymous" }
  | { readonly kind: "root"; readonly accountId: string }
  | {
      readonly kind: "user";
      readonly accountId: string;
      readonly userName: string;
      readonly userId: string;
      readonly arn: string;
    }
  | {
      readonly kind: "assumed-role";
      readonly accountId: string;
      readonly roleName: string;
      readonly roleArn: string;
      readonly sessionName: string;
      /** `AROA…:session`. */
      readonly userId: string;
      /** `arn:aws:sts::<account>:assumed-role/<role>/<session>`. */
      readonly arn: string;
    }
  | { readonly kind: "service"; readonly service: string };

/** The principal's own ARN; for a service its name, for nobody "*". */
export function principalArn(principal: Principal): string {
  switch (principal.kind) {
    case "anonymous":
      return "*";
    case "root":
      return `arn:aws:iam::${principal.accountId}:root`;
    case "user":
    case "assumed-role":
      return principal.arn;
    case "service":
      return principal.service;
  }
}
