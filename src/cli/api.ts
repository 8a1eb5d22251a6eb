import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { EC2 } from "@aws-sdk/client-ec2";
import { ECS } from "@aws-sdk/client-ecs";
import { EFS } from "@aws-sdk/client-efs";
import { IAM } from "@aws-sdk/client-iam";

import type { Session } from "./session.ts";

/** The public API, through the AWS SDK's own clients. */
export class Api {
  readonly session: Session;
  readonly ecs: ECS;
  readonly efs: EFS;
  readonly ec2: EC2;
  readonly iam: IAM;
  readonly logs: CloudWatchLogs;

  constructor(session: Session) {
    this.session = session;
    const { accessKeyId, secretAccessKey, sessionToken } = session;
    const configuration = {
      endpoint: session.endpoint,
      region: session.region,
      maxAttempts: 2,
      credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
    };
    this.ecs = new ECS(configuration);
    this.efs = new EFS(configuration);
    this.ec2 = new EC2(configuration);
    this.iam = new IAM(configuration);
    this.logs = new CloudWatchLogs(configuration);
  }
}
