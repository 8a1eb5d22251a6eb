// The policies of AWS that tasks with EFS use; their documents say what AWS's do (IAM managed
// policy reference).

function document(action: readonly string[], condition?: object): string {
  const statement = { Effect: "Allow", Action: action, Resource: "*" };
  const Statement = [{ ...statement, ...(condition && { Condition: condition }) }];
  return JSON.stringify({ Version: "2012-10-17", Statement });
}

const viaMountTarget = { Bool: { "elasticfilesystem:AccessedViaMountTarget": "true" } };
const client = "elasticfilesystem:Client";

/** By ARN. */
export const awsManagedPolicies: Readonly<Record<string, string>> = {
  "arn:aws:iam::aws:policy/AdministratorAccess": document(["*"]),
  "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy": document([
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
  ]),
  "arn:aws:iam::aws:policy/AmazonElasticFileSystemClientFullAccess": document(
    [
      `${client}Mount`,
      `${client}RootAccess`,
      `${client}Write`,
      "elasticfilesystem:DescribeMountTargets",
    ],
    viaMountTarget,
  ),
  "arn:aws:iam::aws:policy/AmazonElasticFileSystemClientReadWriteAccess": document(
    [`${client}Mount`, `${client}Write`, "elasticfilesystem:DescribeMountTargets"],
    viaMountTarget,
  ),
  "arn:aws:iam::aws:policy/AmazonElasticFileSystemClientReadOnlyAccess": document(
    [`${client}Mount`, "elasticfilesystem:DescribeMountTargets"],
    viaMountTarget,
  ),
  "arn:aws:iam::aws:policy/CloudWatchLogsFullAccess": document(["logs:*"]),
};
